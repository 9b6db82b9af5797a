"""Where log records go, and what is left out of them. What a line looks like: portal.log_lines."""

from typing import Any


def to_stderr(formatter: str) -> dict[str, Any]:
    """Django's LOGGING: every record to stderr, without keys; `formatter` is "json" or "line"."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "no_keys": {"()": "portal.redaction.RedactKeys"},
            "not_told_twice": {"()": "portal.log_lines.NotToldTwice"},
        },
        "formatters": {
            "line": {"()": "portal.log_lines.Line"},
            "json": {"()": "portal.log_lines.JsonLine"},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": formatter,
                "filters": ["no_keys"],
            },
        },
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django.server": {"handlers": ["stderr"], "propagate": False},
            "django.request": {"level": "ERROR", "filters": ["not_told_twice"]},
            # Of each task it tells several times; portal.worker tells once.
            "celery": {"level": "WARNING"},
        },
    }
