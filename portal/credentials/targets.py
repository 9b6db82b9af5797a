"""Whom a case of revocation hits: criteria that all have to hold, and the keys they name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cache
from typing import Any, cast

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast, Coalesce
from django.utils.dateparse import parse_datetime

from accounts.models import Organization, User
from portal.applications.models import Application
from portal.credentials.enums import ItemStatus, KeyKind
from portal.credentials.lifecycle import LIVE
from portal.credentials.models import Credential, Grant, Revocation, RevocationItem
from portal.errors import Invalid
from portal.programs.models import Capability, ModelRelease, RolloutPhase
from portal.redaction import redact
from portal.verdict import Verdict, allow, deny

_KID = re.compile(r"[0-9A-Za-z]{16}")
_KID_IN_KEY = re.compile(r"tpk_(?:live|test)_([0-9A-Za-z]{16})(?![0-9A-Za-z])")
_WHOLE_KEY = re.compile(_KID_IN_KEY.pattern + r"(?:_[0-9A-Za-z]*)?")
_BETWEEN_KIDS = re.compile(r"[\s,;\"'`]+")
MOST_KIDS = 100_000
_BETWEEN = re.compile(r"[;\n]")  # values of one criterion
MOST_VALUES = 1000

Thing = ModelRelease | RolloutPhase | Organization | User | Application
THINGS: dict[str, type[Thing]] = {
    "release": ModelRelease,
    "phase": RolloutPhase,
    "organization": Organization,
    "person": User,
    "application": Application,
    "reviewer": User,
}
# Of the key: the path to what a criterion names.
_PATHS = {
    "release": "grant__phase__release",
    "phase": "grant__phase",
    "organization": "grant__organization",
    "person": "grant__holder",
    "application": "grant__application",
}
_TIMES = ("issued_from", "issued_until", "used_from", "used_until")


@dataclass(frozen=True, kw_only=True)
class Selector:
    """Criteria of which every one that is given has to hold.

    The first seven may have several values, one a line or with a semicolon between: then one of
    them has to hold. The first six are references; for a person or reviewer an e-mail address will
    do, for an organisation its name. `capability` is a scope; `reviewer` whoever made a ruling on
    the application; issued means claimed, or asked for where nobody has claimed it; `kids` are
    kids or whole keys as somebody pasted them. From is inclusive, until exclusive.
    """

    release: str = ""
    phase: str = ""
    organization: str = ""
    person: str = ""
    application: str = ""
    reviewer: str = ""
    capability: str = ""
    issued_from: datetime | None = None
    issued_until: datetime | None = None
    used_from: datetime | None = None
    used_until: datetime | None = None
    kids: str = ""

    @property
    def given(self) -> dict[str, Any]:
        """The criteria that are set, by name, in the order they are told in."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value}

    def as_json(self) -> dict[str, str | list[str]]:
        """What is kept with the case; addresses and names are replaced by references."""
        kept: dict[str, str | list[str]] = {}
        for name, value in self.given.items():
            if name == "kids":
                kept[name] = sorted(set(split_kids(value)))
            elif name in THINGS:
                kept[name] = _one_or_all([each.ref for each in targets_of(name, value)])
            elif name == "capability":
                kept[name] = _one_or_all(_known_scopes(value))
            else:
                kept[name] = value.isoformat() if isinstance(value, datetime) else value.strip()
        return kept

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Selector":
        """Of `as_json`."""
        given: dict[str, Any] = {name: "\n".join(values_of(value)) for name, value in kept.items()}
        for name in _TIMES:
            if name in given:
                given[name] = parse_datetime(given[name])
        return cls(**given)

    def closed(self, now: datetime) -> "Selector":
        """With an end to whatever began: what is issued or used later was not meant."""
        issued = self.issued_until or (now if self.issued_from else None)
        used = self.used_until or (now if self.used_from else None)
        return replace(self, issued_until=issued, used_until=used)


def values_of(kept: str | list[str]) -> list[str]:
    """Of one criterion in `Selector.as_json`: one value stands by itself."""
    return [kept] if isinstance(kept, str) else kept


def _one_or_all(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def live_credentials(selector: Selector, *, rehearsal: bool = False) -> QuerySet[Credential]:
    """The keys that could give access now or later and that every criterion names; in a rehearsal
    keys to test alone.

    Raises Invalid, by the criterion's name, when one names nothing known, and when none is given.
    """
    if not selector.given:
        raise Invalid("selector_empty", "Say which keys: by one criterion at least.")
    found = Credential.objects.filter(status__in=LIVE)
    if rehearsal:
        found = found.filter(kind=KeyKind.TEST)
    for name, value in selector.given.items():
        found = found.filter(_criterion(name, value))
    if selector.issued_from or selector.issued_until:
        found = found.annotate(issued_at=Coalesce("claimed_at", "requested_at"))
        found = _between(found, "issued_at", selector.issued_from, selector.issued_until)
    return _between(found, "use__last_used_at", selector.used_from, selector.used_until)


def unseen_keys(case: Revocation) -> QuerySet[Credential]:
    """Those that the case's criteria name, too, and nobody has looked at: they came to life since
    its preview. Of a case that was given key ids none: these and no others were meant.
    """
    selector = Selector.from_json(case.selector)
    if selector.kids:
        return Credential.objects.none()
    found = live_credentials(selector, rehearsal=case.rehearsal)
    found = found.exclude(revocation_items__revocation=case)
    return found.exclude(pk__in=case.exclusions.values("credential"))


def _criterion(name: str, value: Any) -> Q:
    if name == "kids":
        return Q(kid__in=as_rows(_all_known(value)))
    if name == "capability":
        return Q(scopes__overlap=_known_scopes(value))
    if name == "reviewer":
        ruled = Application.objects.filter(decisions__decided_by__in=_ids_of(name, value))
        return Q(grant__application__in=ruled)
    return Q(**{f"{_PATHS[name]}__in": _ids_of(name, value)}) if name in _PATHS else Q()


def _between(
    rows: QuerySet[Credential], field: str, since: datetime | None, until: datetime | None
) -> QuerySet[Credential]:
    if since:
        rows = rows.filter(**{f"{field}__gte": since})
    return rows.filter(**{f"{field}__lt": until}) if until else rows


def target_of(name: str, value: str) -> Thing:
    """What a criterion points at; raises Invalid when there is no such thing."""
    model, value = THINGS[name], value.strip()
    rows: Any = model._default_manager
    # A reference first: anybody may name an organisation like somebody else's reference.
    target = rows.filter(ref=value.upper()).first()
    if target is None and model is User:
        target = rows.filter(email=value.lower()).first()
    if target is None and model is Organization:
        target = rows.filter(name=value).first()
    if target is None:
        raise _nothing(name, value)
    return cast("Thing", target)


def targets_of(name: str, value: str) -> list[Thing]:
    """All that a criterion points at, each once; raises Invalid when one is no such thing."""
    words = _words_of(name, value)
    if len(words) == 1:
        return [target_of(name, words[0])]
    rows: Any = THINGS[name]._default_manager
    by_ref = {each.ref: each for each in rows.filter(ref__in=[word.upper() for word in words])}
    found = [by_ref.get(word.upper()) or target_of(name, word) for word in words]
    return list({each.pk: each for each in found}.values())


def _words_of(name: str, value: str) -> list[str]:
    """One value or several. An organisation may have a semicolon in its name."""
    words = [word.strip() for word in _BETWEEN.split(value) if word.strip()]
    if len(words) > MOST_VALUES:
        told = f"Name {MOST_VALUES:,} at most; or choose by release or phase instead."
        raise Invalid("too_many_values", told, {name: told})
    if name == "organization" and Organization.objects.filter(name=value.strip()).exists():
        return [value.strip()]
    return words or [value]


def _ids_of(name: str, value: str) -> list[int]:
    return [each.pk for each in targets_of(name, value)]


def _known_scopes(value: str) -> list[str]:
    scopes = list(dict.fromkeys(_words_of("capability", value)))
    known = set(Capability.objects.filter(scope__in=scopes).values_list("scope", flat=True))
    unknown = [scope for scope in scopes if scope not in known]
    if unknown:
        raise _nothing("capability", unknown[0])
    return scopes


def _nothing(name: str, value: str) -> Invalid:
    told = f"Nothing is known as “{redact(value)[:100]}”. Copy the reference from its page."
    return Invalid("selector_matches_nothing", told, {name: told})


# --- What gets no new key after a case ----------------------------------------------------------
def barred_grants(grants: Iterable[Grant], *, beside: Revocation | None = None) -> set[int]:
    """Ids of those grants that get no new key: since they were opened, or allowed new keys again,
    staff revoked one of their keys, or every key of a kind that takes in all of theirs. A case says
    so of its keys from when it is confirmed, before workers have written it on each; one that
    only holds them, for as long as it does: a key in place of one that is held would not be.

    `beside` is a case that does not count: what bars them apart from it. A queryset is not fetched.
    """
    barred = _barring(beside) if beside else _barring_at_all()
    these = grants if isinstance(grants, QuerySet) else [each.pk for each in grants]
    of_these = Grant.objects.filter(barred, pk__in=these).order_by()
    return set(of_these.values_list("pk", flat=True))


@cache
def _barring_at_all() -> Q:
    """Put together once: that takes as long as to ask."""
    return _barring(None)


def _barring(beside: Revocation | None) -> Q:
    """What bars the grant outside."""
    since = Coalesce(OuterRef("new_keys_allowed_at"), OuterRef("opened_at"))
    keys = Credential.objects.filter(
        grant=OuterRef("pk"), revoked_by_staff=True, revoked_at__gt=since
    )
    cases = _cases_that_take_in_whole_grants().filter(_covering(), confirmed_at__gt=since)
    held = Q(
        revocation__confirmed_at__isnull=True,
        revocation__contained_at__isnull=False,
        revocation__released_at__isnull=True,
    )
    unmarked = Q(status=ItemStatus.FROZEN, revocation__confirmed_at__gt=since)
    items = RevocationItem.objects.filter(
        held | unmarked, credential__grant=OuterRef("pk"), revocation__rehearsal=False
    )
    if beside:
        keys = keys.exclude(Exists(_killed_by(beside).filter(credential=OuterRef("pk"))))
        cases, items = cases.exclude(pk=beside.pk), items.exclude(revocation=beside)
    return Q(Exists(keys)) | Q(Exists(cases)) | Q(Exists(items))


# Its secret would be refused from birth, and the log would have it claimed after the key's end.
STOPPED_SLOT = deny(
    "stopped_by_staff",
    "The programme has revoked or paused this key, so it cannot be claimed. Write to us.",
)


def slot_is_in_no_case(credential: Credential) -> Verdict:
    return STOPPED_SLOT if stopped_by_cases([credential.pk]) else allow()


def stopped_by_cases(credential_ids: Iterable[int]) -> set[int]:
    """Of these keys those that every door refuses for a case, as facts.py reads it: one that is
    confirmed, whether or not it is written on the key yet, or that holds its keys for now.
    """
    confirmed = Q(revocation__confirmed_at__isnull=False)
    held = Q(revocation__contained_at__isnull=False, revocation__released_at__isnull=True)
    items = RevocationItem.objects.filter(confirmed | held, credential__in=list(credential_ids))
    return set(items.values_list("credential", flat=True))


def _killed_by(case: Revocation) -> QuerySet:
    """Items of its keys that it revoked, or whose keepers were a moment quicker; not of those that
    staff had revoked before, which was another decision.
    """
    skipped = Q(status=ItemStatus.SKIPPED, credential__revoked_by__is_staff=True)
    return case.items.exclude(skipped)


def _cases_that_take_in_whole_grants() -> QuerySet[Revocation]:
    """Those whose criteria are about grants, so that a key to come would be meant as well."""
    about_grants = [*_PATHS, "capability"]
    others = [each.name for each in fields(Selector) if each.name not in about_grants]
    return Revocation.objects.filter(rehearsal=False, selector__has_any_keys=about_grants).exclude(
        selector__has_any_keys=others
    )


def _covering() -> Q:
    """Every criterion of the case holds for the grant outside: of several values one."""
    holds = Q()
    for name, path in _PATHS.items():
        theirs = OuterRef(f"{path.removeprefix('grant__')}__ref")
        holds &= ~Q(selector__has_key=name) | Q(_among(name, theirs, "jsonb_exists"))
    scopes = Cast(OuterRef("scopes"), ArrayField(TextField()))
    return holds & (
        ~Q(selector__has_key="capability") | Q(_among("capability", scopes, "jsonb_exists_any"))
    )


def _among(name: str, theirs: Any, function: str) -> Func:
    """Whether what the case keeps of a criterion, one value or several, has it: `?` and `?|`."""
    kept = KeyTransform(name, F("selector"))
    return Func(kept, theirs, function=function, output_field=BooleanField())


# --- Kids ---------------------------------------------------------------------------------------
def split_kids(text: str) -> list[str]:
    """The kids in pasted text; a whole key, in quotes or behind a name, is cut down to its kid."""
    return [_cut(word) for word in _BETWEEN_KIDS.split(text) if word]


def is_kid(word: str) -> bool:
    return bool(_KID.fullmatch(word))


def pick_kids(text: str) -> tuple[list[str], list[int]]:
    """(the kids in pasted text, the numbers of the lines that hold anything else)."""
    kids, odd = [], []
    for number, line in enumerate(text.splitlines(), 1):
        words = split_kids(line)
        fitting = [word for word in words if _KID.fullmatch(word)]
        kids += fitting
        if len(fitting) < len(words):
            odd.append(number)
    return kids, odd


def kids_meant(text: str) -> list[str]:
    """The kids in a search; anything else is left out."""
    return [kid for kid in split_kids(text) if _KID.fullmatch(kid)]


def _cut(word: str) -> str:
    found = _KID_IN_KEY.search(word)
    return found[1] if found else word


def cut_keys(text: str) -> str:
    """The text with every whole key in it cut down to its kid."""
    return _WHOLE_KEY.sub(r"\1", text)


def known_kids(text: str) -> set[str]:
    """Those of the kids in pasted text that are ours, whatever became of them."""
    ours = Credential.objects.filter(kid__in=as_rows(split_kids(text)))
    return set(ours.values_list("kid", flat=True))


def as_rows(values: Iterable[str | int], *, of: str = "text") -> RawSQL:
    """For `kid__in` and the like: as one array, as a place for each of a hundred thousand takes
    seconds. `of` is their type in PostgreSQL.
    """
    return RawSQL(f"SELECT unnest(%s::{of}[])", [list(set(values))])  # noqa: S611 - a type's name


def _all_known(text: str) -> set[str]:
    kids = set(split_kids(text))
    if not kids or len(kids) > MOST_KIDS:
        told = f"Paste between 1 and {MOST_KIDS:,} key ids."
        raise Invalid("kids_count", told, {"kids": told})
    known = known_kids(text)
    unknown = sorted(kid if _KID.fullmatch(kid) else "(malformed)" for kid in kids - known)
    if unknown:
        shown = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
        told = f"Not known, {len(unknown)} of {len(kids)}: {shown}. Remove or correct them."
        raise Invalid("kids_unknown", told, {"kids": told})
    return known
