"""How far a change of peppers is, and gateways' own secrets on the way."""

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.utils import timezone

from portal.credentials import remembered
from portal.credentials.models import Credential
from portal.gateway import authentication
from portal.gateway.authentication import authenticate
from portal.gateway.models import Gateway
from portal.gateway.noting import flush_stale_secrets
from portal.gateway.pepper_report import versions, warn_of_missing_peppers
from tests.factories.accounts import UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway
from tests.factories.programs import ModelReleaseFactory

pytestmark = pytest.mark.django_db

ONE, TWO = bytes(32), bytes(range(32))


@pytest.fixture(autouse=True)
def _nothing_noted():
    authentication.stale.take(10_000)


@pytest.fixture
def peppers(settings):
    def configure(*numbers):
        settings.CREDENTIAL_PEPPERS = {number: {1: ONE, 2: TWO}[number] for number in numbers}

    configure(1)
    return configure


def report(capsys, *arguments):
    """(exit code, what is said)."""
    try:
        call_command("peppers", *arguments)
    except SystemExit as end:
        return end.code, capsys.readouterr().out.splitlines()
    return 0, capsys.readouterr().out.splitlines()


def test_it_says_what_is_left_of_each_version(peppers, capsys):
    key, _token = make_live_key(grant__ends_at=datetime(2090, 1, 1, tzinfo=UTC))
    Credential.objects.update(expires_at=datetime(2089, 12, 2, tzinfo=UTC))
    make_gateway(key.grant.phase.release)
    peppers(2, 1)
    make_live_key(grant=key.grant)
    dead, _token = make_live_key(grant=key.grant)
    Credential.objects.filter(pk=dead.pk).update(pepper_version=1, status="retired")
    over, _token = make_live_key(grant=key.grant)
    Credential.objects.filter(pk=over.pk).update(pepper_version=1, expires_at=timezone.now())
    code, lines = report(capsys)
    assert code == 1
    assert lines[0] == (
        "version 1: 1 live key, last expires 2 Dec 2089; 1 gateway. "
        "Keep it: what is used moves on by itself, the rest expires or is replaced."
    )
    assert lines[1].startswith("version 2: 1 live key, last expires ")
    assert lines[1].endswith("; 0 gateways. Listed first: it hashes what is new.")
    assert report(capsys, "--check") == (0, lines)


def test_when_only_the_newest_is_in_use_the_old_one_can_go(peppers, capsys):
    peppers(2, 1)
    _key, _token = make_live_key()
    code, lines = report(capsys)
    assert code == 0
    assert lines[0] == (
        "version 1: 0 live keys; 0 gateways. Not in use: it can be taken out of CREDENTIAL_PEPPERS."
    )


@pytest.mark.parametrize("what", ["key", "gateway"])
def test_a_version_in_use_that_is_not_configured_is_an_error(peppers, capsys, caplog, what):
    if what == "key":
        make_live_key()
    else:
        make_gateway(ModelReleaseFactory())
    peppers(2)
    for arguments in ((), ("--check",)):
        code, lines = report(capsys, *arguments)
        assert (code, "NOT CONFIGURED" in lines[0], len(lines)) == (1, True, 2)
    warn_of_missing_peppers()
    [record] = caplog.records
    assert (record.levelname, "version 1: " in record.getMessage()) == ("ERROR", True)


def test_at_start_up_nothing_is_said_while_all_is_well(peppers, caplog):
    make_live_key()
    peppers(2, 1)
    warn_of_missing_peppers()
    assert caplog.records == []


def test_one_that_is_announced_is_not_taken_for_one_that_can_go(peppers, capsys):
    make_live_key()
    peppers(1, 2)
    code, lines = report(capsys)
    assert (code, len(lines)) == (0, 2)
    assert lines[0].endswith("Listed first: it hashes what is new.")
    assert lines[1].endswith("Announced: list it first once every process knows it.")


def test_nothing_in_use_is_no_error(peppers, capsys):
    assert report(capsys)[0] == 0
    assert [version.number for version in versions()] == [1]


# --- Gateways -----------------------------------------------------------------------------------


@pytest.fixture
def stale(peppers):
    """(gateway, its secret): hashed under a pepper that has a successor by now."""
    made = make_gateway(ModelReleaseFactory())
    peppers(2, 1)
    return made


def test_a_gateway_moves_to_the_newest_pepper_as_it_asks(stale, peppers, django_assert_num_queries):
    gateway, secret = stale
    remembered.prove(0.0)
    with django_assert_num_queries(1):  # which reads
        assert authenticate(basic(gateway.client_id, secret))
    assert flush_stale_secrets() == 1
    assert Gateway.objects.get().pepper_version == 2
    peppers(2)
    assert authenticate(basic(gateway.client_id, secret))
    assert flush_stale_secrets() == 0


def test_who_does_not_prove_to_be_a_gateway_moves_nothing(stale):
    gateway, secret = stale
    assert not authenticate(basic(gateway.client_id, secret + "x"))
    Gateway.objects.update(disabled_at=timezone.now(), disabled_by=UserFactory())
    assert not authenticate(basic(gateway.client_id, secret))
    assert flush_stale_secrets() == 0


def test_a_secret_replaced_meanwhile_stays_replaced(stale):
    gateway, secret = stale
    authenticate(basic(gateway.client_id, secret))
    Gateway.objects.update(digest=b"another")
    flush_stale_secrets()
    assert bytes(Gateway.objects.get().digest) == b"another"
