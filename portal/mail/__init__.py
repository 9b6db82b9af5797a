"""Transport only: mails are rows until sent; each app's notices.py says what to whom."""
