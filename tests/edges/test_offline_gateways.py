"""The doors of gateways that judge by themselves: the snapshot, and the time of a token."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from portal.credentials import remembered
from portal.credentials.models import Credential, Epoch, Freeze
from portal.gateway import offline_views, snapshot, statuslist
from portal.gateway.limits import MOST_FAILURES
from tests.edges.offline import LIST, LISTS, SNAPSHOT, checked, freeze
from tests.edges.programs import Key
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway
from tests.factories.programs import ModelReleaseFactory
from tests.factories.tokens import unpacked
from tests.processes import until

pytestmark = pytest.mark.django_db
NONCE = "n" * 22


@pytest.fixture(autouse=True)
def _as_just_started(monkeypatch):
    remembered.forget_all()
    monkeypatch.setattr(statuslist, "_kept", None)


@pytest.fixture
def key(client):
    return Key(client, grant__application__organization=OrganizationFactory())


@pytest.fixture
def ask(client, key):
    gateway, secret = make_gateway(key.release)
    known = basic(gateway.client_id, secret)

    def ask(nonce=NONCE, known=known, query=None):
        query = f"nonce={nonce}" if query is None else query
        return client.get(f"{SNAPSHOT}?{query}", headers={"Authorization": known} if known else {})

    ask.client_id, ask.row = gateway.client_id, gateway
    return ask


def told(response):
    return unpacked(response.content.decode())[1]


# --- The snapshot -------------------------------------------------------------------------------


def test_a_quiet_day(client, key, ask, settings):
    before = time.time()
    response = ask()
    assert (response.status_code, response["Content-Type"]) == (200, "application/jwt")
    assert response["Cache-Control"] == "no-store"
    claims = checked(client, response.content.decode(), "access-snapshot+jwt")
    issued_at, version = claims.pop("iat"), claims.pop("version")
    assert before - 1 < issued_at < time.time() + 1
    assert claims == {
        "iss": settings.BASE_URL,
        "aud": key.release.audience,
        "exp": issued_at + 15,
        "nonce": NONCE,
        "freezes": [],
        "epochs": {},
        "status_lists": [f"{settings.BASE_URL}{LIST}"],
    }
    assert told(ask())["version"] == version + 1


def test_freezes_and_epochs_that_concern_this_gateway_are_told_and_no_others(key, ask, client):
    other = Key(client, grant__application__organization=OrganizationFactory())
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
    mine, theirs = key.credential.grant, other.credential.grant
    for grant in (mine, theirs):
        freeze("release", grant.phase.release.ref)
        freeze("phase", grant.phase.ref)
        freeze("organization", grant.organization.ref)
        freeze("person", grant.holder.ref)
        type(grant).objects.filter(pk=grant.pk).update(status="suspended")
        Credential.objects.filter(grant=grant).update(status="retired")
    freeze("everything")
    Epoch.objects.create(subject=f"gateway:{ask.client_id}", xid=1)
    Epoch.objects.create(subject=f"key_end:{key.kid}", xid=1)

    claims = told(ask())
    places = {
        "everything": "",
        "release": mine.phase.release.ref,
        "phase": mine.phase.ref,
        "organization": mine.organization.ref,
        "person": mine.holder.ref,
    }
    by_level = sorted(claims["freezes"], key=lambda each: each["level"])
    assert by_level == [{"level": level, "ref": places[level]} for level in sorted(places)]
    refused = {level if not ref else f"{level}:{ref}" for level, ref in places.items()}
    assert claims["epochs"].keys() == refused | {f"grant:{mine.ref}", f"key:{key.kid}"}
    newest = Epoch.objects.get(subject="everything").at
    assert claims["epochs"]["everything"] == int(newest.timestamp())

    Freeze.objects.update(lift_asked_at=timezone.now(), lift_asked_by=UserFactory())
    Freeze.objects.update(lifted_at=timezone.now(), lifted_by=UserFactory())
    lifted = told(ask())
    assert (lifted["freezes"], lifted["epochs"]) == ([], claims["epochs"])


def test_a_level_nobody_thought_of_is_told(ask):
    Epoch.objects.create(subject="capability:x", xid=1)
    assert told(ask())["epochs"].keys() == {"capability:x"}


def test_of_two_about_the_same_the_later_counts_and_an_old_one_is_not_told(key, ask):
    now = timezone.now()
    for ago in (snapshot.KEPT + 1, 50, 10, 30):
        Epoch.objects.create(subject=f"key:{key.kid}", at=now - timedelta(seconds=ago), xid=1)
    gone = now - timedelta(seconds=snapshot.KEPT + 1)
    Epoch.objects.create(subject="everything", at=gone, xid=1)
    at = int((now - timedelta(seconds=10)).timestamp())
    assert told(ask())["epochs"] == {f"key:{key.kid}": at}


def test_what_is_kept_outlives_the_last_token_at_the_slowest_gateway():
    assert snapshot.KEPT == 60 + 5 + 15


def test_a_thousand_are_told_and_one_more_is_the_whole_release(key, ask):
    at = timezone.now() - timedelta(seconds=5)
    Epoch.objects.bulk_create(
        Epoch(subject=f"grant-like:{n}", at=at, xid=1) for n in range(snapshot.MOST)
    )
    assert len(told(ask())["epochs"]) == snapshot.MOST
    Epoch.objects.create(subject="everything", at=at + timedelta(seconds=2), xid=1)
    whole = {f"release:{key.release.ref}": int((at + timedelta(seconds=2)).timestamp())}
    assert told(ask())["epochs"] == whole


def test_what_moves_to_another_release_leaves_an_epoch_of_the_place_it_was_in(key, ask):
    grant, elsewhere = key.credential.grant, ModelReleaseFactory()
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
    far, _ = make_live_key()
    Credential.objects.filter(kid=key.kid).update(grant=far.grant)
    assert told(ask())["epochs"].keys() == {f"grant:{grant.ref}"}
    type(grant).objects.filter(pk=grant.pk).update(phase=far.grant.phase)
    assert told(ask())["epochs"].keys() == {f"phase:{grant.phase.ref}"}
    type(grant.phase).objects.filter(pk=grant.phase.pk).update(release=elsewhere)
    assert told(ask())["epochs"].keys() == {f"release:{key.release.ref}"}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "nonce=",
        "nonce=" + "n" * 15,
        "nonce=" + "n" * 65,
        f"nonce={NONCE}&nonce={NONCE}",
        f"nonce={NONCE}%00",
        f"nonce={NONCE}%0a",
        f"nonce={NONCE[:-1]}ä",
        f"Nonce={NONCE}",
    ],
)
def test_a_question_without_a_proper_nonce_is_none(ask, query):
    response = ask(query=query)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_only_a_gateway_in_use_is_told(client, ask):
    refused = [
        ask(known=None),
        ask(known="Basic x"),
        ask(known=basic(ask.client_id, "tpg_wrong")),
        ask(known=basic("GW-NOBODY", "tpg_wrong")),
    ]
    assert [r.status_code for r in refused] == [401] * 4
    assert {r.content for r in refused} == {refused[0].content}
    assert ask().status_code == 200
    ask.row.disabled_at, ask.row.disabled_by = timezone.now(), UserFactory()
    ask.row.save()
    assert ask().status_code == 401


def test_failures_are_limited_as_at_every_door(ask):
    said = [ask(known=None).status_code for _ in range(MOST_FAILURES + 1)]
    assert said == [401] * MOST_FAILURES + [429]
    assert ask().status_code == 200


@pytest.mark.parametrize("address", [SNAPSHOT, LIST, LISTS])
def test_it_is_asked_with_get(client, address):
    response = client.post(address)
    assert response.status_code == 405
    assert response["Allow"].split(", ")[0] == "GET"


@pytest.mark.parametrize("address", [SNAPSHOT, LIST])
def test_without_a_database_nothing_is_said(ask, client, monkeypatch, address):
    def gone(*_args, **_more):
        raise OperationalError

    monkeypatch.setattr(offline_views, "authenticate", gone)
    monkeypatch.setattr(remembered, "prove", gone)
    response = ask() if address == SNAPSHOT else client.get(address)
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert response.json()["error"] == "temporarily_unavailable"


def test_a_model_that_is_no_longer_there_has_no_snapshot():
    assert snapshot.make(audience="https://nowhere.example", nonce=NONCE) is None


# --- The time of a token, and of an epoch -------------------------------------------------------


def somebody_waits_for_the_moment():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
        )
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_a_token_is_never_younger_than_a_revocation_it_did_not_see(client):
    """The epoch's time is taken, and its transaction ends seconds later: the token waits for it."""
    key = Key(client)
    timed, may_commit = threading.Event(), threading.Event()

    def revoke():
        with transaction.atomic():
            Credential.objects.filter(kid=key.kid).update(status="retired")
            connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
            timed.set()
            assert may_commit.wait(30)
        connection.close()

    revoking = threading.Thread(target=revoke)
    revoking.start()
    assert timed.wait(30)
    answers = []
    asking = threading.Thread(target=lambda: (answers.append(key.exchange()), connection.close()))
    asking.start()
    try:
        until(somebody_waits_for_the_moment)
    finally:
        may_commit.set()
    asking.join(30)
    revoking.join(30)
    assert [answer.status_code for answer in answers] == [401]


@pytest.mark.django_db(transaction=True)
def test_those_who_revoke_do_not_wait_for_each_other(client, concurrently):
    keys = [Key(client).kid for _ in range(2)]
    both = threading.Barrier(2, timeout=20)

    def revoke(kid):
        with transaction.atomic():
            Credential.objects.filter(kid=kid).update(status="retired")
            connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
            return both.wait()

    assert sorted(concurrently(*(lambda kid=kid: revoke(kid) for kid in keys))) == [0, 1]


# --- The status list ----------------------------------------------------------------------------
