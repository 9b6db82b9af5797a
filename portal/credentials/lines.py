"""A list of keys as somebody was sent it: what became of each line, whatever stands on it."""

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from portal.credentials.lifecycle import LIVE
from portal.credentials.models import Credential, Revocation
from portal.credentials.targets import as_rows, is_kid, split_kids

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
    length: int = 0  # how many lines there were, empty ones too
    whole_keys: int = 0  # lines with a whole key, of which the id alone was kept
    statuses: dict[str, str] = field(default_factory=dict)  # of those of the kids that are ours

    def __add__(self, after: "Lines") -> "Lines":
        """Both as one text: the lines of the second are counted on from those of the first."""
        moved = [(number + self.length, kid) for number, kid in after.found]
        return Lines(
            [*self.found, *moved],
            self.length + after.length,
            self.whole_keys + after.whole_keys,
            self.statuses | after.statuses,
        )

    @property
    def kids(self) -> list[str]:
        return [kid for _number, kid in self.found if kid]

    @property
    def odd(self) -> list[int]:
        """The numbers of lines that hold anything else."""
        return [number for number, kid in self.found if not kid]

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


def read_lines(text: str, *, table: bool = True) -> Lines:
    """The keys on every line, and what they are by now; in one statement, however many lines.

    Of a table that names its columns the one of kids is read, and may raise csv.Error.
    """
    found: list[tuple[int, str]] = []
    whole = 0
    lines = text.splitlines()
    for number, line in _numbered(text) if table else enumerate(lines, 1):
        words = split_kids(line)
        found += [(number, word) for word in words if is_kid(word)]
        if not all(map(is_kid, words)):
            found.append((number, ""))
        whole += "tpk_" in line
    kids = as_rows(kid for _number, kid in found if kid)
    ours = Credential.objects.filter(kid__in=kids).values_list("kid", "status")
    return Lines(found, len(lines), whole, dict(ours) if found else {})


def kids_of(case: Revocation) -> set[str]:
    return set(case.items.values_list("credential__kid", flat=True))


def counted(lines: Iterable[Line]) -> list[tuple[str, int]]:
    """How many lines got which answer, those that none got left out."""
    return in_order(Counter(line.answer for line in lines))


def in_order(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(answer, counts[answer]) for answer in ANSWERS if counts.get(answer)]


def rows(lines: Iterable[Line]) -> Iterator[tuple[int | str, str, str]]:
    """For a file, the names of the columns first."""
    yield "line", "kid", "answer"
    yield from ((line.number, line.kid, line.answer) for line in lines)


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """The column named kid, where the first line names columns; else everything. Each with the
    number of the line it begins on: words in quotes may go on over several.
    """
    lines = text.splitlines()
    for separator in (",", ";", "\t"):
        names = [name.strip().strip('"').lower() for name in (lines or [""])[0].split(separator)]
        index = next((names.index(name) for name in _NAMES_OF_KIDS if name in names), None)
        if index is not None:
            rows = _rows_of(lines[1:], separator)
            return ((number, row[index] if len(row) > index else "") for number, row in rows)
    return iter(enumerate(lines, 1))


def _rows_of(lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Numbered from the second line of the file on. Raises csv.Error where a stray quotation mark
    swallows lines with keys on them: they would be somebody's words, in no case, and go on working.
    """
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    number = 2
    for row in reader:
        for cell in row:
            if "\n" in cell and any(map(is_kid, split_kids(cell))):
                raise csv.Error("a quotation mark is open over several lines with keys on them")
        yield number, row
        number = 2 + reader.line_num
