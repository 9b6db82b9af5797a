"""What it costs to revoke many keys, and to stop all of one level at once."""

from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Organization, User
from accounts.services import reinstate_organization, suspend_organization
from bench import incidents, tables
from bench.copies import copied
from bench.rounds import Result, in_turns, timed, times
from bench.rounds import rates as in_rates
from bench.seed import responder, two_responders
from bench.sizes import KEYS, named, scaled
from bench.stack import Stack
from portal.credentials.models import Credential, Revocation
from portal.credentials.services.killing import kill_credentials
from portal.credentials.verification import explain
from portal.programs.models import RolloutPhase
from portal.programs.services import halt_phase, resume_phase

ROUNDS = 6  # every order of three sides
QUICK_ROUNDS = 60
SIZES = (scaled(10_000), KEYS)


def revoke(_stack: Stack) -> list[Result]:
    """Against one bare statement, UPDATE plus INSERT of an audit row each, over the same rows.

    There are two floors. `_bare` runs it on the same tables without the trigger that tells the
    doors: what is above it is the price of locks in order, epochs and the list of ids. `_ordinary`
    runs it on a copy in the ordinary layout (tables.make_ordinary): that is the layout's gain,
    and says nothing of our code. Everything is committed; in between all keys are revived.
    """
    tables.make_ordinary()
    by = responder()
    return [found for size in SIZES for found in _revoke(size, by)]


def _revoke(size: int, by: User) -> list[Result]:
    last = tables.rows("SELECT id FROM credentials_credential ORDER BY id OFFSET %s", size - 1)[0][
        0
    ]
    keys = Credential.objects.filter(pk__lte=last)
    ours, bare, ordinary = in_turns(
        ROUNDS,
        partial(_killed, "credentials_credential", size, partial(_kill, keys, size, by)),
        partial(_killed, "credentials_credential", size, partial(_bare, last, by)),
        partial(_killed, "bench_key", size, partial(_ordinary, last, by)),
    )
    return [
        in_rates(f"revoke_{named(size)}_bare", size, ours, bare),
        in_rates(f"revoke_{named(size)}_ordinary", size, ours, ordinary),
    ]


def _killed(table: str, size: int, call: Callable[[], None]) -> float:
    seconds = timed(call)
    (dead,) = tables.rows(tables.DEAD.format(table=table))[0]
    if dead != size:
        raise SystemExit(f"{dead} of {size} keys were revoked in {table}.")
    tables.revive(table)
    return seconds


@transaction.atomic
def _kill(keys: QuerySet[Credential], size: int, by: User) -> None:
    ids = kill_credentials(keys, reason="incident", by=by, by_staff=True, case="CASE-BENCH")
    if len(ids) != size:
        raise SystemExit(f"{len(ids)} of {size} keys were revoked.")


@transaction.atomic
def _bare(last: int, by: User) -> None:
    tables.run("ALTER TABLE credentials_credential DISABLE TRIGGER epoch_of_keys")
    tables.run(
        tables.BARE.format(keys="credentials_credential", events="audit_event", by=by.pk, last=last)
    )
    tables.run("SET CONSTRAINTS ALL IMMEDIATE")  # else the trigger could not be put back here
    tables.run("ALTER TABLE credentials_credential ENABLE TRIGGER epoch_of_keys")


@transaction.atomic
def _ordinary(last: int, by: User) -> None:
    tables.run(tables.ORDINARY.format(keys="bench_key", events="bench_event", by=by.pk, last=last))


def preview(_stack: Stack) -> list[Result]:
    """A case over every key, previewed, and confirmed by two; the floor of each is one bare
    statement: a list of the keys, and the UPDATE with its INSERT of an event each.

    What is confirmed stays so, hence it is done on a copy; its time is that of both people's steps.
    """
    by = responder()
    (last,) = tables.rows("SELECT max(id) FROM credentials_credential")[0]
    size = Credential.objects.count()
    seconds = in_turns(
        ROUNDS,
        lambda: _previewed(by, size),
        lambda: timed(bare_items),
        _confirmed,
        partial(_killed, "credentials_credential", size, partial(_bare, last, by)),
    )
    return [times("preview_ms", *seconds[:2]), times("confirm_ms", *seconds[2:])]


def _previewed(by: User, size: int) -> float:
    cases: list[Revocation] = []
    seconds = timed(lambda: cases.append(incidents.preview(by)))
    if cases[0].count != size or cases[0].items.count() != size:
        raise SystemExit(f"{cases[0].count} of {size} keys were previewed.")
    return seconds


def _confirmed() -> float:
    with copied():
        people = two_responders()
        case = incidents.preview(people[0])
        incidents.must_be_alive(case)
        seconds = timed(lambda: incidents.confirm(case, *people))
        incidents.must_be_dead(case)
    return seconds


def bare_items() -> None:
    """A list of all keys that live."""
    with transaction.atomic():
        tables.run(
            "CREATE TEMPORARY TABLE item ON COMMIT DROP AS SELECT id, kid FROM"
            " credentials_credential WHERE status = 'active'"
        )


def stop(_stack: Stack) -> list[Result]:
    """All keys of a partner, a phase or a release: one row each, whatever hangs on it."""
    by = responder()
    partner, phase = Organization.objects.order_by("pk")[0], RolloutPhase.objects.get()
    levels: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "partner": (
            partial(suspend_organization, organization_id=partner.pk, by=by),
            partial(reinstate_organization, organization_id=partner.pk, by=by),
        ),
        "phase": (
            partial(halt_phase, phase_id=phase.pk, by=by),
            partial(resume_phase, phase_id=phase.pk, by=by),
        ),
        "release": (partial(freeze_release, phase.release.ref), lift_all),
    }
    make_one_row()
    kid = Credential.objects.filter(grant__organization=partner).order_by("pk")[0].kid
    return [_stop(f"stop_{name}_ms", kid, *both) for name, both in levels.items()]


def _stop(measure: str, kid: str, act: Callable[[], object], undo: Callable[[], object]) -> Result:
    """One of the keys works before, and does not after."""

    def ours() -> float:
        if not explain(kid):
            raise SystemExit("A key that nobody stopped does not work.")
        seconds = timed(act)
        if explain(kid):
            raise SystemExit(f"A key works after {measure}.")
        undo()
        return seconds

    return times(measure, *in_turns(QUICK_ROUNDS, ours, lambda: timed(change_one_row)))


def freeze_release(ref: str) -> None:
    tables.run("SELECT portal_freeze('release', %s, 'bench')", ref)


def lift_all() -> None:
    """By two people, as a constraint has it."""
    tables.run(
        "UPDATE credentials_freeze SET lift_asked_at = now(), lifted_at = now(), lift_asked_by_id ="
        " (SELECT min(id) FROM accounts_user), lifted_by_id = (SELECT max(id) FROM accounts_user)"
        " WHERE lifted_at IS NULL"
    )


def make_one_row() -> None:
    tables.run("CREATE TABLE IF NOT EXISTS bench_row (n int)")
    tables.run("INSERT INTO bench_row SELECT 0 WHERE NOT EXISTS (SELECT FROM bench_row)")


def change_one_row() -> None:
    """The least that anything durable can cost."""
    tables.run("UPDATE bench_row SET n = n + 1")
