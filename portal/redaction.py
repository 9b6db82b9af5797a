"""Nothing that would let anybody in reaches a log line."""

import logging
import re

# Also what a secret scanner is given; see portal.credentials.secrets for the exact format.
KEY = re.compile(r"tpk_(live|test)_[0-9A-Za-z]{4,}(_[0-9A-Za-z]*)?")
# Gateways' secrets, as they are and in the header they are sent in; signed tokens (RFC 7519). Of a
# token the last beginning before its dot is looked for: to read on from each of them would take
# seconds for a header full of them, and anybody can send one.
_OTHERS = re.compile(
    r"(?P<kept>tpg_)[0-9A-Za-z]{4,}"
    r"|(?P<basic>(?i:Basic) +)[0-9A-Za-z+/]{16,}=*"
    r"|eyJ(?:(?!eyJ)[0-9A-Za-z_-])*\.[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]*)*"
)


def redact(text: str) -> str:
    """Return the text with every key, secret and token cut to what tells its kind."""
    text = KEY.sub(lambda match: f"tpk_{match[1]}_[redacted]", text)
    return _OTHERS.sub(lambda match: f"{match['kept'] or match['basic'] or ''}[redacted]", text)


class RedactKeys(logging.Filter):
    """Rewrites the finished message, arguments, traceback and stack of each record.

    A formatter that makes text of anything else redacts what it made: portal.log_lines.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_text = record.exc_text and redact(record.exc_text)
        record.stack_info = record.stack_info and redact(record.stack_info)
        return True
