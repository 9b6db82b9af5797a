"""manage.py freeze: what it says and how it ends."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from portal.audit.models import Event
from portal.credentials.models import Freeze
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.freezes import place, responder

pytestmark = pytest.mark.django_db


@pytest.fixture
def by():
    return responder(name="Ines Duarte", email="ines@example.org")


def run(*words):
    out = StringIO()
    call_command("freeze", *words, stdout=out)
    return out.getvalue().splitlines()


def test_it_freezes_and_says_so_twice_over(by):
    partner = OrganizationFactory(name="Polar Institute")
    words = ("organization", partner.ref, "--reason", "Seen in a dump.", "--by", "INES@example.org")
    said = run(*words)
    line = f"Organisation: Polar Institute ({partner.ref})"
    freeze = Freeze.objects.get()
    since = f"{freeze.placed_at:%Y-%m-%d %H:%M:%S} UTC"
    assert said == [
        f"{freeze.ref} is in force: {line}, since {since}, placed by Ines Duarte",
        f"To lift it, two people: manage.py freeze --lift {freeze.ref} --by …",
    ]
    assert (freeze.reason, freeze.placed_by) == ("Seen in a dump.", by.ref)
    assert run(*words) == said
    assert Event.objects.filter(kind="freeze.placed").count() == 1


def test_it_lists_and_asks_to_lift(by):
    assert run("--list") == ["0 in force."]
    freeze = place(by=by)
    since = f"{freeze.placed_at:%Y-%m-%d %H:%M:%S} UTC"
    line = f"Everything, since {since}, placed by Ines Duarte"
    assert run("--list") == [f"{freeze.ref}  {line}", "1 in force."]
    assert run("--lift", freeze.ref.lower(), "--by", by.email) == [
        f"Asked. {freeze.ref} stays in force: {line}, lift asked for",
        "A colleague lifts it in the admin, under Freezes.",
    ]
    assert run("--list") == [f"{freeze.ref}  {line}, lift asked for", "1 in force."]
    with pytest.raises(CommandError, match="You have asked already"):
        run("--lift", freeze.ref, "--by", by.email)


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        ("", "Give one of", 2),
        ("everything --list", "Give one of", 2),
        ("everything --reason r", "Say who acts", 2),
        ("everything --reason r --by nobody@example.org", "Nobody is known as", 1),
        ("everything --reason r --by plain@example.org", "Only an incident responder", 1),
        ("everything --by ines@example.org", "Say why", 1),
        ("everything REL-AAAAAAAA --reason r --by ines@example.org", "has no target", 1),
        ("phase --reason r --by ines@example.org", "No phase is known as", 1),
        ("person USR-AAAAAAAA --reason r --by ines@example.org", "No person is known as", 1),
        ("--lift FRZ-AAAAAAAA --by ines@example.org", "There is no freeze FRZ-AAAAAAAA", 1),
        ("--lift FRZ-AAAAAAAA", "Say who acts", 2),
        ("planet X --reason r --by ines@example.org", "invalid choice", 1),
    ],
)
def test_each_refusal_says_what_is_wrong_and_freezes_nothing(by, words, told, code):
    UserFactory(email="plain@example.org")
    with pytest.raises(CommandError) as refused:
        run(*words.split())
    assert (told in str(refused.value), refused.value.returncode) == (True, code)
    assert Freeze.objects.count() == 0


def test_a_database_that_does_not_answer_is_told_of(by):
    def silent(*_):
        raise OperationalError("gone")

    with connection.execute_wrapper(silent), pytest.raises(CommandError) as refused:
        run("--list")
    assert str(refused.value).startswith("PostgreSQL did not answer")
