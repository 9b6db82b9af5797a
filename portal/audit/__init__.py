"""What happened: the append-only log, in the same transaction as the change it tells of."""
