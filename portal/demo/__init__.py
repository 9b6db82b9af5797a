"""A demo programme made through the same services as real people use; never in production."""
