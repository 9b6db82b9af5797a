"""What was given: grants, credentials, revocations; and the one function that decides."""
