"""Names people type, which appear in mails to others."""

import re

from portal.errors import Invalid

_MOST = 200
# A name is not a message: no line breaks, no mark-up, nothing that a mail reader turns to a link.
_NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f<>\u2028\u2029]|://|www\.", re.IGNORECASE)


def clean_name(text: str, field: str = "name") -> str:
    """Return the name with single spaces; raise Invalid for anything that is not one."""
    if _NOT_IN_A_NAME.search(text):
        raise _refused(field, "Leave out web addresses, angle brackets and line breaks.")
    name = " ".join(text.split())
    if not name:
        raise _refused(field, "Type a name.")
    if len(name) > _MOST:
        raise _refused(field, f"Use at most {_MOST} characters.")
    return name


def _refused(field: str, reason: str) -> Invalid:
    return Invalid("name_invalid", reason, {field: reason})
