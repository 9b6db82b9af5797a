"""Yes, or no with a reason; refusals that say what they are."""

import pytest

from portal.errors import Busy, Conflict, DomainError, Gone, Invalid, InvalidTransition, NotAllowed
from portal.lifecycle import check_transition
from portal.verdict import Verdict, allow, deny


def test_a_yes_is_true_and_enforcing_it_does_nothing():
    assert allow()
    assert allow() == Verdict(allowed=True)
    assert allow().enforce() is None


def test_a_no_is_false_and_enforcing_it_raises_its_own_words():
    no = deny("not_yours", "Only the applicant can do this.")
    assert not no
    with pytest.raises(NotAllowed) as refused:
        no.enforce()
    assert (refused.value.code, refused.value.message, str(refused.value)) == (
        "not_yours",
        "Only the applicant can do this.",
        "Only the applicant can do this.",
    )


def test_every_refusal_has_its_status():
    statuses = {kind: kind.status for kind in DomainError.__subclasses__()}
    assert statuses == {
        Invalid: 400,
        NotAllowed: 403,
        InvalidTransition: 409,
        Conflict: 409,
        Gone: 410,
        Busy: 503,
    }


def test_an_invalid_input_names_its_fields():
    assert Invalid("c", "m").fields == {}
    assert Invalid("c", "m", {"a": "b"}).fields == {"a": "b"}


class Lamp:
    ref, status = "LAMP-1", "off"


def test_an_edge_that_is_not_there_is_refused_in_words():
    machine = {"off": frozenset({"on"}), "on": frozenset()}
    assert check_transition(Lamp(), to="on", transitions=machine) is None
    with pytest.raises(InvalidTransition) as refused:
        check_transition(Lamp(), to="burnt_out", transitions=machine)
    assert refused.value.message.startswith("LAMP-1 is off and cannot become burnt out.")
