"""What goes wrong with an engine."""


class EngineError(Exception):
    """An engine is missing or did not start; the message says what to do or shows its log."""
