"""A case of revocation: what a preview freezes, spares and refuses."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials.enums import ItemStatus as I
from portal.credentials.models import Revocation
from portal.credentials.targets import Selector, pick_kids, split_kids
from portal.credentials.verification import explain
from portal.errors import Invalid, NotAllowed
from tests.factories.credentials import CredentialFactory, make_live_key
from tests.factories.stories import manager
from tests.log import written
from tests.unit.credentials.by_phase import (
    confirm,
    items,
    live,
    preview,
)

pytestmark = pytest.mark.django_db


def test_a_preview_freezes_the_live_keys_and_revokes_nothing(phase, by):
    keys = live(phase)
    slot = CredentialFactory(grant__application__phase=phase)
    make_live_key(  # dead before
        grant__application__phase=phase, status="expired", expires_at=timezone.now()
    )
    make_live_key()  # of another phase
    with written() as log:
        case = preview(phase, by)
    kids = sorted(key.kid for key in [*keys, slot])
    assert (case.status, case.count, items(case)) == ("previewed", 4, [I.FROZEN] * 4)
    assert case.digest == hashlib.sha256("\n".join(kids).encode()).hexdigest()
    assert case.expires_at - case.previewed_at == timedelta(minutes=15)
    assert log == [
        ("revocation.drafted", case.ref, case.ref, by.ref),
        ("revocation.previewed", case.ref, case.ref, by.ref),
    ]
    assert all(explain(key.kid) for key in keys)


def test_a_preview_is_refused_without_anything_to_do_or_a_known_reason(phase, by):
    for asked in ({}, {"reason": "whim"}, {"selector": Selector()}):
        with pytest.raises(Invalid):
            preview(phase, by, **asked)
    with pytest.raises(NotAllowed):
        preview(phase, manager())
    assert not Revocation.objects.exists()


def test_a_note_never_keeps_a_key(phase, by):
    _key, token = make_live_key(grant__application__phase=phase)
    case = preview(phase, by, note=f"curl -H 'Bearer {token}'")
    assert case.note == "curl -H 'Bearer tpk_live_[redacted]'"


@pytest.mark.parametrize(
    ("text", "kids"),
    [
        ("A" * 16, ["A" * 16]),
        (f"tpk_live_{'A' * 16}_{'s' * 49}", ["A" * 16]),
        (f'KEY="tpk_test_{"A" * 16}_{"s" * 20}"', ["KEY=", "A" * 16]),
        (f"API_KEY=tpk_live_{'A' * 16}_{'s' * 49},{'B' * 16}", ["A" * 16, "B" * 16]),
        (f"tpk_live_{'A' * 16}", ["A" * 16]),
        (" ,;\n\t", []),
    ],
)
def test_pasted_keys_are_cut_to_their_kids(text, kids):
    assert split_kids(text) == kids


def test_lines_that_hold_something_else_are_counted():
    assert pick_kids(f"kid\n{'A' * 16}\n\n{'B' * 16} x\n") == (["A" * 16, "B" * 16], [1, 4])


def test_what_is_left_alive_stays_so_and_says_why(phase, by):
    keys = live(phase, 3)
    spared = keys[1]
    case = preview(phase, by, exclusions={spared.kid: "Runs the clinic's night service."})
    assert (case.count, case.exclusions.get().credential) == (2, spared)
    confirm(case, by)
    assert [bool(explain(key.kid)) for key in keys] == [False, True, False]
    for exclusions in ({"A" * 16: "No such key."}, {make_live_key()[0].kid: "Not among them."}):
        with pytest.raises(Invalid) as refused:
            preview(phase, by, exclusions=exclusions)
        assert refused.value.code == "exclusion_unknown"
    live(phase, 1)
    with pytest.raises(Invalid) as refused:
        preview(phase, by, exclusions={spared.kid: "  "})
    assert refused.value.code == "exclusion_unexplained"
