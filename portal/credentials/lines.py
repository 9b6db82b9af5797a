"""A list of keys as somebody was sent it: what became of each line, whatever stands on it."""

import csv
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from portal.credentials.lifecycle import LIVE
from portal.credentials.models import Credential, Revocation
from portal.credentials.targets import is_kid, split_kids

_NAMES_OF_KIDS = ("kid", "key", "key_id", "key id")
# What each line is answered with, and whether it stops everything unless it is to be left out.
HIT, DEAD, SPARED, OTHER = "hit", "dead already", "stays alive", "not meant"
TWICE, UNKNOWN, JUNK = "duplicate", "unknown", "no key id"
ODD = (UNKNOWN, JUNK)
ANSWERS = (HIT, DEAD, SPARED, OTHER, TWICE, UNKNOWN, JUNK)


@dataclass(frozen=True)
class Line:
    """One line's key, or that it holds something else. What that is is never kept: it may be a
    secret.
    """

    number: int
    kid: str  # empty for one that holds something else
    answer: str

    @property
    def words(self) -> str:
        return f"line {self.number:,}: {f'{self.kid} ' if self.kid else ''}{self.answer}"


@dataclass
class Lines:
    """Lines of a file, read once; `answers` says what became of each."""

    found: list[tuple[int, str]]  # (number, kid); an empty kid for anything else
    whole_keys: int = 0  # lines with a whole key, of which the id alone was kept
    statuses: dict[str, str] = field(default_factory=dict)  # of those of the kids that are ours

    @property
    def known(self) -> list[str]:
        return list(self.statuses)

    def answers(
        self, hit: Collection[str] | None = None, spared: Collection[str] = ()
    ) -> list[Line]:
        """One a key, in the file's order. `hit` are the kids of the case made of them; where there
        is none yet, whatever lives counts as hit.
        """
        seen: set[str] = set()
        return [Line(number, kid, self._answer(kid, seen, hit, spared)) for number, kid in self]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self.found)

    def _answer(
        self, kid: str, seen: set[str], hit: Collection[str] | None, spared: Collection[str]
    ) -> str:
        if not kid:
            return JUNK
        if kid not in self.statuses:
            return UNKNOWN
        if kid in seen:
            return TWICE
        seen.add(kid)
        if self.statuses[kid] not in LIVE:
            return DEAD
        if kid in spared:
            return SPARED
        return HIT if hit is None or kid in hit else OTHER


def read_lines(text: str) -> Lines:
    """The keys on every line, and what they are by now; in one statement, however many lines."""
    found: list[tuple[int, str]] = []
    whole = 0
    for number, line in enumerate(column_of_kids(text).splitlines(), 1):
        words = split_kids(line)
        found += [(number, word) for word in words if is_kid(word)]
        if not all(map(is_kid, words)):
            found.append((number, ""))
        whole += "tpk_" in line
    kids = {kid for _number, kid in found if kid}
    rows = Credential.objects.filter(kid__in=kids).values_list("kid", "status")
    return Lines(found, whole, dict(rows))


def kids_of(case: Revocation) -> set[str]:
    return set(case.items.values_list("credential__kid", flat=True))


def counted(lines: list[Line]) -> list[tuple[str, int]]:
    """How many lines got which answer, those that none got left out."""
    counts = Counter(line.answer for line in lines)
    return [(answer, counts[answer]) for answer in ANSWERS if counts[answer]]


def column_of_kids(text: str) -> str:
    """The column named kid, where the first line names columns; else everything."""
    lines = text.splitlines()
    for separator in (",", ";", "\t"):
        names = [name.strip().strip('"').lower() for name in (lines or [""])[0].split(separator)]
        index = next((names.index(name) for name in _NAMES_OF_KIDS if name in names), None)
        if index is not None:
            rows = csv.reader(lines[1:], delimiter=separator)
            return "\n".join(["", *(row[index] if len(row) > index else "" for row in rows)])
    return text
