"""What was asked: the application and its revisions."""
