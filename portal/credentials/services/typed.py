"""What somebody types who confirms something large: as shown, or nothing happens."""

import re

from portal.errors import Conflict, Invalid

_SEPARATORS = re.compile(r"[\s,.']")  # as people group the digits of a number


def must_be_as_shown(
    *,
    count: int,
    word: str,
    shown: str,
    digest: str,
    typed_count: str,
    typed_word: str,
    nothing: str,
) -> None:
    """Refuse unless the page showed this digest and count and word were typed; `nothing` says what
    therefore did not happen.
    """
    if digest != shown:
        told = f"{nothing} That is the digest of other keys than these. Look at them again."
        raise Conflict("digest_changed", told)
    wrong = {}
    if _SEPARATORS.sub("", typed_count) != str(count):
        wrong["typed_count"] = f"{nothing} Type {count:,} to confirm."
    if typed_word.strip().lower() != word:
        wrong["typed_word"] = f"{nothing} Type “{word}” to confirm."
    if wrong:
        raise Invalid("not_confirmed", next(iter(wrong.values())), wrong)
