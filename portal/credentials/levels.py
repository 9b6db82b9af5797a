"""What a freeze can lie over: the words for it, how its target is found, which keys it stops.

Another level is one line of LEVELS. Beside it stand its value in `FreezeLevel`, its reason in
`DenyCode` and ADVICE, its pair in the statement of facts.py, and its word in `portal_freeze`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Case,
    CharField,
    Count,
    F,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Concat

from accounts.models import Organization, User
from portal.credentials.enums import FreezeLevel
from portal.credentials.models import Credential, Freeze
from portal.credentials.selectors import working_keys
from portal.errors import Invalid
from portal.programs.models import ModelRelease, RolloutPhase
from portal.redaction import redact

MOST_FOUND = 20
FROM_A_PROMPT = "system:sql"  # as portal_freeze writes it
MOST_NAMED = 200  # freezes in force that one page counts


@dataclass(frozen=True, slots=True)
class Level:
    """One level. Without a model there is nothing to choose: everything."""

    noun: str
    hint: str = ""  # what to search by
    model: type[Model] | None = None
    path: str = ""  # from a key to the reference of what it stands under
    name: Any = None  # what the target is called, as an expression over its row
    exact: tuple[str, ...] = ()  # besides its reference, what is unique and names it
    parts: tuple[str, ...] = ()  # what is searched by a part of it


LEVELS: Mapping[str, Level] = {
    FreezeLevel.EVERYTHING: Level("Everything"),
    FreezeLevel.RELEASE: Level(
        noun="Release",
        hint="part of its name, or its reference",
        model=ModelRelease,
        path="grant__phase__release__ref",
        name=F("name"),
        exact=("slug",),
        parts=("name", "slug"),
    ),
    FreezeLevel.PHASE: Level(
        noun="Phase",
        hint="part of its name or of its release's, or its reference",
        model=RolloutPhase,
        path="grant__phase__ref",
        name=Concat("release__name", Value(": "), "name"),
        parts=("name", "release__name"),
    ),
    FreezeLevel.ORGANIZATION: Level(
        noun="Organisation",
        hint="part of its name, or its reference",
        model=Organization,
        path="grant__organization__ref",
        name=F("name"),
        exact=("name",),
        parts=("name",),
    ),
    FreezeLevel.PERSON: Level(
        noun="Person",
        hint="part of a name or an address, or a reference",
        model=User,
        path="grant__holder__ref",
        name=Case(When(name="", then=F("email")), default=F("name")),
        exact=("email__iexact",),
        parts=("name", "email"),
    ),
}


@dataclass(frozen=True, slots=True)
class Aim:
    """What a freeze lies over, or would."""

    level: str
    ref: str
    thing: Any = None  # None: everything

    @property
    def words(self) -> str:
        noun = LEVELS[self.level].noun
        return noun if self.thing is None else f"{noun}: {self.thing}"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Who and what works now under an aim: what freezing stops."""

    keys: int
    people: int
    organizations: int


def find_aim(level: str, text: str) -> Aim:
    """The one thing of this level that the text names, by its reference, address or whole name.

    Raises Invalid when there is none.
    """
    if level not in LEVELS:
        raise Invalid("level_unknown", _ONE_OF, {"level": _ONE_OF})
    known, words = LEVELS[level], text.strip()
    if known.model is None:
        if words:
            told = "Everything has no target. Leave it out, or choose another level."
            raise Invalid("target_not_taken", told, {"target": told})
        return Aim(level, "")
    rows = known.model._default_manager
    # A reference first: anybody may name an organisation like somebody else's reference.
    thing: Any = rows.filter(ref=words.upper()).first()
    for lookup in known.exact if words else ():
        thing = thing or rows.filter(**{lookup: words}).first()
    if thing is None:
        told = f"No {known.noun.lower()} is known as “{redact(words)[:100]}”. Nothing was frozen."
        told = f"{told} Copy the reference from its page."
        raise Invalid("target_unknown", told, {"target": told})
    return Aim(level, thing.ref, thing)


_ONE_OF = f"Choose one of: {', '.join(FreezeLevel.values)}."


def search_targets(level: str, text: str) -> list[Any]:
    """Up to MOST_FOUND and one more; without words the first there are."""
    known, words = LEVELS[level], text.strip()
    if known.model is None:
        return []
    rows = known.model._default_manager.order_by("pk")
    if words:
        found = Q(ref=words.upper())
        for part in known.parts:
            found |= Q(**{f"{part}__icontains": words})
        rows = rows.filter(found)
    return list(rows[: MOST_FOUND + 1])


def count_stopped(aim: Aim) -> Stopped:
    """Counted by the database in one statement."""
    counted = keys_under(aim).aggregate(
        keys=Count("pk"),
        people=Count("grant__holder", distinct=True),
        organizations=Count("grant__organization", distinct=True),
    )
    return Stopped(**counted)


def keys_under(aim: Aim) -> QuerySet[Credential]:
    """The keys that could be used now, as far as they alone decide, and that the aim stops."""
    path = LEVELS[aim.level].path
    return working_keys().filter(**{path: aim.ref}) if path else working_keys()


def in_force() -> QuerySet[Freeze]:
    return Freeze.objects.filter(lifted_at__isnull=True)


def with_names(freezes: QuerySet[Freeze]) -> QuerySet[Freeze]:
    """Each with `target_name` and `author`, in the same statement; of what is gone since, the
    reference.
    """
    names = [_called(known, "target") for known in LEVELS.values() if known.model is not None]
    author = _called(LEVELS[FreezeLevel.PERSON], "placed_by")
    return freezes.annotate(
        target_name=Coalesce(*names, "target", output_field=CharField()),
        author=Case(
            When(placed_by=FROM_A_PROMPT, then=Value("a database prompt")),
            default=Coalesce(author, "placed_by", output_field=CharField()),
        ),
    )


def _called(known: Level, ref: str) -> Subquery:
    assert known.model is not None  # noqa: S101 - everything has no name
    rows = known.model._default_manager.filter(ref=OuterRef(ref))
    return Subquery(rows.annotate(called=known.name).values("called")[:1])


def words_of(freeze: Any) -> str:
    """What a freeze that was read with its names lies over."""
    noun = LEVELS[freeze.level].noun
    return f"{noun}: {freeze.target_name}" if freeze.target else noun


def standing_of(freeze: Freeze) -> tuple[str, str]:
    """(a state whose mark stands beside the words, the words)."""
    if freeze.lifted_at:
        return "ended", "Lifted"
    return ("pending", "In force, lift asked") if freeze.lift_asked_at else ("blocked", "In force")


def standing_freezes() -> list[Freeze]:
    """What every staff page tells of, in one statement, the widest and the latest first.

    Mostly there is none, and to ask only that is far less work than to put the whole together.
    """
    if not in_force().exists():
        return []
    order = list(LEVELS)
    found = list(with_names(in_force()).order_by("-placed_at")[:MOST_NAMED])
    for freeze in found:
        freeze.words = words_of(freeze)  # type: ignore[attr-defined] # hung on it for the page
    return sorted(found, key=lambda freeze: order.index(freeze.level))


def freezes_by_level() -> dict[str, int]:
    """How many are in force, with every level present."""
    counted = dict(in_force().order_by().values_list("level").annotate(Count("pk")))
    return {level: counted.get(level, 0) for level in FreezeLevel.values}


def search_freezes(freezes: QuerySet[Freeze], text: str) -> QuerySet[Freeze]:
    """By reference of the freeze or its target, or by part of the target's name."""
    words = text.strip()
    refs = Q(ref=words.upper()) | Q(target=words.upper())
    return freezes.filter(refs | Q(target_name__icontains=words))
