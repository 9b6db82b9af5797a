"""A case of revocation: when it takes two people, and what goes beyond the cap."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.credentials import case_report, selectors, services
from portal.credentials.models import Credential, Revocation
from portal.credentials.verification import explain
from portal.errors import Conflict, Invalid, NotAllowed
from tests.factories.accounts import UserFactory
from tests.factories.programs import CapabilityFactory, RolloutPhaseFactory
from tests.factories.stories import again, responder
from tests.log import written
from tests.unit.credentials.by_phase import approve, confirm, critical, live, preview

pytestmark = pytest.mark.django_db


def test_a_critical_scope_takes_two_people(phase, by):
    key, second = critical(phase), responder()
    case = confirm(preview(phase, by), by)
    assert (case.status, case.asked_by, bool(explain(key.kid))) == ("awaiting_second", by, True)
    asked = {"digest": case.digest, "typed_count": "1", "typed_word": services.word_of(case.digest)}
    with pytest.raises(NotAllowed) as refused:
        services.approve_revocation(revocation_id=case.pk, by=by, **asked)
    assert refused.value.code == "same_person"
    with pytest.raises(Conflict):
        services.approve_revocation(revocation_id=case.pk, by=second, **asked | {"digest": "0"})
    with written() as log:
        services.approve_revocation(revocation_id=case.pk, by=second, **asked)
    assert log[0] == ("revocation.confirmed", case.ref, case.ref, second.ref)
    assert (again(case).confirmed_by, explain(key.kid).code) == (second, "key_revoked")


def test_a_scope_that_its_release_does_not_know_counts_as_critical(phase, by):
    (key,) = live(phase, 1)
    assert not preview(phase, by).needs_second
    phase.release.capabilities.all().delete()
    CapabilityFactory(scope=key.scopes[0])  # of another release
    case = preview(phase, by)
    assert (case.needs_second, case_report.figures(case).highest) == (True, "critical")


def test_many_keys_take_two_people(phase, by, monkeypatch):
    monkeypatch.setattr(selectors, "MANY", 2)
    live(phase, 2)
    assert not preview(phase, by).needs_second
    live(phase, 1)
    assert preview(phase, by).needs_second
    monkeypatch.setattr(selectors, "MANY_OF_ALL", 1)  # of 3 active keys
    assert not preview(phase, by).needs_second


@pytest.mark.parametrize("contained", [False, True])
def test_what_has_become_critical_since_the_preview_takes_two_people(phase, by, contained):
    key, second = live(phase, 1)[0], responder()
    capability = CapabilityFactory(release=phase.release, scope=key.scopes[0])
    case = preview(phase, by)
    if contained:
        services.contain_revocation(revocation_id=case.pk, by=by)
    capability.tier = "critical"
    capability.save()
    case = confirm(case, by)
    assert (case.status, case.needs_second, again(key).status) == (
        "awaiting_second",
        True,
        "active",
    )
    capability.tier = "standard"  # what was once found to need two goes on needing two
    capability.save()
    with pytest.raises(NotAllowed):
        approve(case, by)
    assert approve(case, second).confirmed_by == second


def test_what_has_become_a_large_part_since_the_preview_takes_two_people(phase, by, monkeypatch):
    monkeypatch.setattr(selectors, "MANY", 2)
    monkeypatch.setattr(selectors, "MANY_OF_ALL", 0.5)
    live(phase, 3)
    others = live(RolloutPhaseFactory(), 4)
    assert not (case := preview(phase, by)).needs_second
    Credential.objects.filter(pk__in=[each.pk for each in others]).update(status="expired")
    assert confirm(case, by).status == "awaiting_second"


def test_a_drill_takes_one_person_whatever_has_become_of_its_capabilities(phase, by):
    (key,) = live(phase, 1, kind="test")
    case = preview(phase, by, rehearsal=True)
    CapabilityFactory(release=phase.release, scope=key.scopes[0], tier="critical")
    assert confirm(case, by).confirmed_by == by


@pytest.mark.parametrize("forged", [{}, {"asked_digest": "0" * 64}, {"asked_by": "self"}])
def test_the_database_itself_lets_nobody_be_both(phase, by, forged):
    critical(phase)
    case = preview(phase, by)
    who = {"asked_at": timezone.now(), "asked_by": responder(), "asked_digest": case.digest}
    who = (who | forged if forged else {}) | {"confirmed_at": timezone.now(), "confirmed_by": by}
    if who.get("asked_by") == "self":
        who["asked_by"] = by
    with pytest.raises(IntegrityError), transaction.atomic():
        Revocation.objects.filter(pk=case.pk).update(**who)


def test_more_than_the_cap_takes_a_permission_and_a_reason(phase, by, settings):
    settings.REVOCATION_CAP = 1
    keys = live(phase, 2)
    case = preview(phase, by)
    with pytest.raises(NotAllowed) as refused:
        confirm(case, by, beyond_cap="The whole phase has leaked, said the lab.")
    assert refused.value.code == "beyond_cap"
    lead = UserFactory(
        is_staff=True,
        permissions=["credentials.revoke_credentials", "credentials.break_glass"],
    )
    with pytest.raises(Invalid) as refused:
        confirm(case, lead, beyond_cap="Because.")
    assert refused.value.code == "cap_unexplained"
    confirm(case, lead, beyond_cap="The whole phase has leaked, said the lab.")
    assert [explain(key.kid).code for key in keys] == ["key_revoked"] * 2
    assert again(case).beyond_cap == "The whole phase has leaked, said the lab."
