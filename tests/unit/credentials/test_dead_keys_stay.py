"""A key that is over comes back by no statement: the database keeps the state machine's ends."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from portal.credentials.enums import CredentialStatus
from portal.credentials.lifecycle import CREDENTIAL_TRANSITIONS, LIVE
from portal.credentials.models import Credential
from portal.credentials.verification import verify
from tests.factories.credentials import make_live_key

pytestmark = pytest.mark.django_db

OVER = sorted(status for status, onward in CREDENTIAL_TRANSITIONS.items() if not onward)


def all_are(status, by):
    """Sets what a row in this state has to have, and nothing else."""
    revoked = status == CredentialStatus.REVOKED
    return Credential.objects.update(
        status=status,
        revoked_at=timezone.now() if revoked else None,
        revoked_by=by if revoked else None,
    )


@pytest.mark.parametrize("over", OVER)
def test_what_is_over_is_neither_alive_again_nor_over_in_another_way(over):
    key, token = make_live_key()
    all_are(over, key.grant.holder)
    for other in set(CredentialStatus.values) - {over}:
        refused = pytest.raises(IntegrityError, match=f"a key that is {over} stays so")
        with refused, transaction.atomic():
            all_are(other, key.grant.holder)
    assert Credential.objects.get().status == over
    assert not verify(token, audience=key.grant.phase.release.audience, scope=None).verdict.allowed


def test_what_is_over_is_all_that_gives_no_access_any_more():
    assert set(OVER) == set(CredentialStatus.values) - LIVE


def test_a_revoked_key_is_not_revived_by_a_line_of_sql_either():
    key, _token = make_live_key()
    all_are("revoked", key.grant.holder)
    with connection.cursor() as cursor, pytest.raises(IntegrityError):
        cursor.execute(
            "UPDATE credentials_credential SET status = 'active', revoked_at = NULL,"
            " revoked_by_id = NULL, revoked_with_key = false, revoked_reason = ''"
        )
