"""The log's index of subjects leaves revoked keys out, and a search finds them all the same."""

import pytest

from portal.audit.models import BY_THEIR_FILE, Event
from portal.audit.selectors import search
from portal.audit.services import System
from portal.credentials.enums import CredentialStatus
from portal.credentials.lifecycle import CREDENTIAL_EVENT
from portal.credentials.models import Credential
from portal.credentials.services import (
    issue_waiting,
    make_test_credential,
    rotate_credential,
)
from portal.credentials.services.killing import kill_credentials
from tests.factories import stories

pytestmark = pytest.mark.django_db


def claimed():
    stories.claimed()


def not_claimed():
    stories.ready()


def asked_for():
    stories.opened(times=1)


def of_a_cohort():
    stories.opened(times=1)
    assert issue_waiting(by=System("worker")) == 1


def rotated():
    key, _token = stories.claimed()
    rotate_credential(kid=key.kid, by=key.grant.holder)


def to_test():
    key, _token = stories.claimed()
    make_test_credential(grant_id=key.grant_id, by=key.grant.holder)


@pytest.mark.parametrize("born", [asked_for, not_claimed, of_a_cohort, claimed, rotated, to_test])
def test_however_a_key_was_born_its_revocation_is_found_by_its_kid(born):
    born()
    by = Credential.objects.first().grant.holder
    assert kill_credentials(Credential.objects.all(), reason="incident", by=by, by_staff=True)
    for kid in Credential.objects.values_list("kid", flat=True):
        found = search(Event.objects.filter(kind="credential.revoked"), kid)
        assert [event.subject for event in found] == [kid]


def test_the_kind_that_is_left_out_is_the_one_that_bulk_revocation_writes():
    assert CREDENTIAL_EVENT[CredentialStatus.REVOKED] == BY_THEIR_FILE
