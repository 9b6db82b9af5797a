"""What changed between two submissions. Pure functions over Revision.snapshot."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

_WORD = re.compile(r"\S+\s*|\s+")
# Comparing is quadratic at worst; longer texts are compared by line, and then as a whole.
MOST_WORDS = 2_000

Snapshot = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: `same`, `added` since the previous submission, or `removed`."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """One answer as it stands, in pieces against the previous submission."""

    key: str
    section: str
    prompt: str
    answer: str
    pieces: tuple[Piece, ...]
    change: str  # "", "added", "removed" or "changed"


def compare_text(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces of both texts in reading order, by words, or by lines where there are many."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    if max(len(old), len(new)) > MOST_WORDS:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if max(len(old), len(new)) > MOST_WORDS:
        old, new = [before], [after]
    pieces: list[Piece] = []
    for op, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if op == "equal":
            pieces.append(Piece("same", "".join(new[k:m])))
            continue
        pieces.append(Piece("removed", "".join(old[i:j])))
        pieces.append(Piece("added", "".join(new[k:m])))
    return tuple(piece for piece in pieces if piece.text)


def compare_list(before: Iterable[str], after: Iterable[str]) -> tuple[Piece, ...]:
    """Every item of both, those still there first."""
    old, new = list(before), list(after)
    return (
        *(Piece("same" if item in old else "added", item) for item in new),
        *(Piece("removed", item) for item in old if item not in new),
    )


def compare_answers(after: Snapshot, before: Snapshot | None) -> list[Item]:
    """The answers as submitted, then those the previous submission had and this one has not."""
    old = {each["key"]: each for each in before["answers"]} if before else {}
    items = [_item(each, old.get(each["key"]), first=not before) for each in after["answers"]]
    kept = {item.key for item in items}
    gone = [each for each in old.values() if each["key"] not in kept]
    return items + [_gone(each) for each in gone]


def in_words(answer: Any) -> str:
    """An answer as people read it."""
    if answer in (None, "", []):
        return ""
    if isinstance(answer, list):
        return "\n".join(str(each) for each in answer)
    return {"yes": "Yes", "no": "No"}.get(str(answer), str(answer))


def _item(each: dict[str, Any], old: dict[str, Any] | None, *, first: bool) -> Item:
    words = in_words(each["answer"])
    before = in_words(old["answer"]) if old else ""
    pieces: tuple[Piece, ...] = ()
    change = ""
    if not first and words != before:
        change = "changed" if before and words else "added" if words else "removed"
        lists = isinstance(each["answer"], list)
        pieces = (
            compare_list(before.splitlines(), words.splitlines())
            if lists
            else compare_text(before, words)
        )
    return Item(each["key"], each["section"], each["prompt"], words, pieces, change)


def _gone(each: dict[str, Any]) -> Item:
    words = in_words(each["answer"])
    pieces = (Piece("removed", words),) if words else ()
    return Item(each["key"], each["section"], each["prompt"], "", pieces, "removed")
