"""What is written on the keys of a case tells doors nothing they did not know; who revoked a key is
somebody, and stays.
"""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from portal.credentials.models import Credential, Epoch
from portal.credentials.services import finish_revocation, revoke_credential
from portal.credentials.services.killing import kill_credentials
from portal.credentials.verification import verify
from tests.factories import stories
from tests.factories.accounts import PersonFactory
from tests.factories.cases import confirmed_case, contained_case
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.stories import WORKER

pytestmark = pytest.mark.django_db
MANY = 103  # more than doors are told of one by one


def epochs():
    return sorted(Epoch.objects.values_list("subject", flat=True))


@pytest.fixture
def by():
    return stories.responder()


def test_keys_that_a_case_has_killed_are_marked_without_a_word_to_the_doors(by, settings):
    settings.REVOCATION_CHUNK = 2
    made = [make_live_key() for _ in range(5)]
    case = confirmed_case(by, *(key for key, _token in made))
    told = epochs()
    assert told == sorted(f"key:{key.kid}" for key, _token in made)
    finish_revocation(revocation_id=case.pk, by=WORKER)
    assert epochs() == told
    assert set(Credential.objects.values_list("status", flat=True)) == {"revoked"}
    for key, token in made:
        audience = key.grant.phase.release.audience
        assert verify(token, audience=audience, scope=None).verdict.code != "allowed"


def test_of_a_large_case_doors_are_told_once(by, settings):
    settings.REVOCATION_CHUNK = MANY - 1
    grant = GrantFactory()
    case = confirmed_case(by, *(make_live_key(grant=grant)[0] for _ in range(MANY)))
    finish_revocation(revocation_id=case.pk, by=WORKER)
    assert (case.items.count(), epochs()) == (MANY, ["everything"])


def test_in_no_case_every_key_is_told_of_however_many(by):
    grant = GrantFactory()
    for _ in range(MANY):
        make_live_key(grant=grant)
    for one in (
        Credential.objects.filter(pk=grant.credentials.first().pk),
        grant.credentials.all(),
    ):
        with transaction.atomic():
            kill_credentials(one, reason="incident", by=by, by_staff=True)
    assert [each.partition(":")[0] for each in epochs()] == ["everything", "key"]


def test_a_key_that_a_case_only_holds_is_told_of_when_it_dies(by):
    key, _token = make_live_key()
    contained_case(by, key)
    assert len(epochs()) == 1
    revoke_credential(kid=key.kid, reason="incident", by=by)
    assert epochs() == [f"key:{key.kid}"] * 2


def revoked(by, key):
    fields = {"status": "revoked", "revoked_at": timezone.now(), "revoked_reason": "incident"}
    return Credential.objects.filter(pk=key.pk).update(revoked_by_id=by, **fields)


def test_nobody_who_is_not_there_revokes_a_key(by):
    key, _token = make_live_key()
    with pytest.raises(IntegrityError, match="not there"), transaction.atomic():
        revoked(10**9, key)
    with pytest.raises(IntegrityError, match="not there"), transaction.atomic():
        make_live_key(status="revoked", revoked_at=timezone.now(), revoked_by_id=10**9)
    assert revoked(by.pk, key) == 1


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM accounts_user WHERE id = %s", "UPDATE accounts_user SET id = 0 WHERE id = %s"],
)
def test_whoever_revoked_a_key_stays(sql):
    person, key = PersonFactory(), make_live_key()[0]
    revoked(person.pk, key)
    with (
        pytest.raises(IntegrityError, match="the account stays"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, [person.pk])
