"""Nothing that looks like one of our keys reaches a log line."""

import logging
import re

# Also what a secret scanner is given; see portal.credentials.secrets for the exact format.
KEY = re.compile(r"tpk_(live|test)_[0-9A-Za-z]{4,}(_[0-9A-Za-z]*)?")


def redact(text: str) -> str:
    """Return the text with every key cut to its prefix."""
    return KEY.sub(lambda match: f"tpk_{match[1]}_[redacted]", text)


class RedactKeys(logging.Filter):
    """Rewrites the finished message, arguments and traceback of each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True
