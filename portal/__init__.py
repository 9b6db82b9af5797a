"""The Trusted Access Portal: apply, approve, issue, verify, revoke."""
