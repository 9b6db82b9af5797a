"""The database itself: one person does not confirm a large or critical case, and what was looked
at stays as it was, whoever writes and however.
"""

from datetime import UTC, datetime

import pytest
from django.db import Error, connection, transaction
from django.utils import timezone

from portal.credentials import selectors, services
from portal.credentials.models import Credential, Revocation, RevocationItem
from portal.credentials.targets import Selector
from portal.programs.models import Capability
from tests.factories.cases import confirmed_case
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.stories import again, responder
from tests.faults.locks import held

pytestmark = pytest.mark.django_db
CRITICAL = {"tier": "critical"}
MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def key():
    return make_live_key()[0]


def preview(by, *keys, **given):
    selector = Selector(kids="\n".join(key.kid for key in keys))
    return services.preview_revocation(
        selector=selector, reason="incident", note="", by=by, **given
    )


def confirmed(by):
    return {"status": "running", "confirmed_at": timezone.now(), "confirmed_by": by}


def update(case, **given):
    return Revocation.objects.filter(pk=case.pk).update(**given)


def refused(message, act, *args, **given):
    with pytest.raises(Error, match=message), transaction.atomic():
        act(*args, **given)


def many(grant, count):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO credentials_credential (kid, kind, grant_id, name, status, scopes,"
            " requested_at, revoked_reason, revoked_by_staff, revoked_with_key, digest,"
            " pepper_version, claimed_at, claimed_by_id, expires_at)"
            " SELECT substr(md5(random()::text), 1, 16), 'live', %s, '', 'active', '{model:infer}',"
            " now(), '', false, false, '\\x00', 1, now(), %s, now() + interval '9 days'"
            " FROM generate_series(1, %s)",
            [grant.pk, grant.holder_id, count],
        )


# --- Two people ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("others", "one_may"), [(0, False), (9_518, False), (9_519, True)])
def test_more_than_500_and_5_percent_take_two(by, monkeypatch, others, one_may):
    monkeypatch.setattr(selectors, "MANY", 10**6)  # as if whoever counts had it wrong
    grant = GrantFactory()
    many(grant, 501)
    case = preview(by, *Credential.objects.all())
    many(grant, others)
    assert not case.needs_second
    if one_may:
        assert update(case, **confirmed(by)) == 1
    else:
        refused("needs two people", update, case, **confirmed(by))


def test_500_keys_take_one(by):
    many(GrantFactory(), 500)
    assert update(preview(by, *Credential.objects.all()), **confirmed(by)) == 1


@pytest.mark.parametrize("unknown", [False, True])
def test_a_key_with_a_critical_or_unknown_scope_takes_two(by, key, unknown):
    case = preview(by, make_live_key()[0], key)
    mine = Capability.objects.filter(release=key.grant.phase.release)
    mine.delete() if unknown else mine.update(**CRITICAL)
    assert not case.needs_second
    asked = {"asked_at": timezone.now(), "asked_by": by, "asked_digest": case.digest}
    other = asked | {"asked_by": responder()}
    for given in ({}, asked, other | {"asked_digest": "0" * 64}):
        refused("needs two people", update, case, **confirmed(by), **given)
    assert update(case, **confirmed(by), **other) == 1


def test_a_case_for_two_does_not_become_one_for_one(by, key):
    Capability.objects.update(**CRITICAL)
    case = preview(by, key)
    assert case.needs_second
    refused("stays", update, case, needs_second=False)
    refused("needs two people", update, case, needs_second=False, **confirmed(by))


def test_a_drill_takes_one_if_its_keys_are_to_test_alone(by, key):
    test_key, _token = make_live_key(kind="test", grant=key.grant)
    Capability.objects.update(**CRITICAL)
    assert update(preview(by, test_key, rehearsal=True), **confirmed(by)) == 1
    # Not what calls itself one.
    case = drafted(by, test_key, key, rehearsal=True)
    refused("needs two people", update, case, **confirmed(by))
    refused("stays", update, preview(by, key), rehearsal=True)


def drafted(by, *keys, **given):
    """A case as it is within the transaction that makes it, before it counts as previewed."""
    case = Revocation.objects.create(
        selector={}, reason="incident", requested_by=by, **{"count": len(keys)} | given
    )
    RevocationItem.objects.bulk_create(RevocationItem(revocation=case, credential=k) for k in keys)
    return case


@pytest.mark.parametrize("count", [1, 3])
def test_a_case_that_holds_other_than_was_counted_is_not_confirmed(by, key, count):
    case = drafted(by, key, make_live_key()[0], count=count)
    refused(f"holds 2 keys, and {count} were previewed", update, case, **confirmed(by))


# --- What was looked at --------------------------------------------------------------------------
def contained(by, key):
    case = preview(by, key)
    return services.contain_revocation(revocation_id=case.pk, by=by)


def waiting(by, key):
    Capability.objects.update(**CRITICAL)
    return confirmed_case(by, key)


def let_go(by, key):
    return services.cancel_revocation(revocation_id=contained(by, key).pk, by=responder())


STEPS = [preview, contained, waiting, let_go, confirmed_case]


@pytest.mark.parametrize("step", STEPS)
def test_no_key_is_added_to_what_was_looked_at(by, key, step):
    case, other = step(by, key), make_live_key()[0]
    new = RevocationItem(revocation=case, credential=other)
    refused("no key is added", new.save)
    mixed = [RevocationItem(revocation=drafted(by), credential=other), new]
    refused("no key is added", RevocationItem.objects.bulk_create, mixed)
    refused("stays", case.items.update, credential=other)
    assert [item.credential for item in case.items.all()] == [key]


@pytest.mark.parametrize("step", STEPS)
def test_no_key_is_taken_out(by, key, step):
    case = step(by, key)
    refused("is evidence", case.items.all().delete)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "given",
    [
        {"count": 2},
        {"digest": "0" * 64},
        {"selector": {"kids": []}},
        {"rehearsal": True},
        {"previewed_at": None},
        {"previewed_at": MOMENT},
    ],
    ids=str,
)
def test_what_was_previewed_stays(by, key, step, given):
    refused("previewed of a case stays", update, step(by, key), **given)


def test_what_was_contained_is_let_go_in_the_open(by, key):
    case = contained(by, key)
    refused("contained of a case stays", update, case, contained_at=None, contained_by=None)
    refused("contained of a case stays", update, case, contained_by=responder())


@pytest.mark.parametrize(
    "given",
    [
        {"confirmed_at": None, "confirmed_by": None, "status": "cancelled"},
        {"confirmed_at": MOMENT},
        {"confirmed_by": "other"},
        {"asked_by": "other"},
        {"asked_at": None, "asked_by": None},
        {"asked_digest": ""},
    ],
    ids=str,
)
def test_what_was_confirmed_stays(by, key, given):
    Capability.objects.update(**CRITICAL)
    case = confirmed_case(by, key, second=responder())
    other = responder()
    given = {name: other if value == "other" else value for name, value in given.items()}
    refused("confirmed of a case stays", update, case, **given)
    assert (again(case).confirmed_at, again(key).status) == (case.confirmed_at, "revoked")


@pytest.mark.django_db(transaction=True)
def test_an_item_and_a_preview_at_the_same_moment_see_each_other(by, key):
    case = drafted(by, key)

    def add():
        RevocationItem.objects.create(revocation=case, credential=make_live_key()[0])

    def freeze():
        update(case, previewed_at=timezone.now())

    def at_once(act):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
        act()

    for first, then in ((add, freeze), (freeze, add)):
        with held(first):
            refused("lock timeout", at_once, then)
