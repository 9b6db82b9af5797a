"""Real threads, real row locks: whoever comes second is told so, and the books balance."""

from collections import Counter
from functools import partial

import pytest

from accounts.models import Organization
from accounts.services import create_organization
from portal.applications.models import Application, Revision
from portal.applications.services import (
    start_application,
    submit_application,
    withdraw_application,
)
from portal.audit.models import Event
from portal.credentials.models import Credential, Grant
from portal.credentials.secrets import Minted
from portal.credentials.secrets import find as find_key
from portal.credentials.selectors import places_taken
from portal.credentials.services import (
    claim_credential,
    issue_credential,
    preview_revocation,
    revoke_credential,
    revoke_grant,
    start_revocation,
)
from portal.credentials.targets import Selector
from portal.credentials.verification import verify
from portal.errors import Conflict, DomainError, NotAllowed
from portal.gateway.models import Gateway
from portal.gateway.services import register_gateway
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.accounts import PASSWORD, PersonFactory, UserFactory
from tests.factories.cases import typed
from tests.journeys.visitor import Visitor
from tests.processes import portal_environment, web

pytestmark = pytest.mark.django_db(transaction=True)


def sorted_by_kind(outcomes):
    """(what was returned, what was refused), and nothing else came out."""
    refused = [each for each in outcomes if isinstance(each, Exception)]
    assert [each for each in refused if not isinstance(each, DomainError)] == []
    return [each for each in outcomes if not isinstance(each, Exception)], refused


def count(kind):
    return Event.objects.filter(kind=kind).count()


def access(slot, token):
    audience = slot.grant.phase.release.audience
    return bool(verify(token, audience=audience, scope=stories.STANDARD).verdict)


def test_fifty_claims_at_once_give_one_key_and_one_alarm(concurrently):
    slot = stories.ready()
    claim = partial(claim_credential, kid=slot.kid, by=slot.grant.holder)
    minted, refused = sorted_by_kind(concurrently(*[claim] * 50))
    assert len(minted) == 1
    assert {error.code for error in refused} == {"already_claimed"}
    assert len(refused) == 49
    assert access(slot, minted[0].token)
    assert (count("credential.claimed"), count("credential.claim_refused")) == (1, 49)
    alarms = OutgoingMail.objects.filter(template="credentials/second_claim_refused")
    assert alarms.count() == 1


def test_fifty_claims_at_once_over_http_show_one_key(concurrently):
    slot = stories.ready(by=PersonFactory())
    with web("portal.wsgi:application", portal_environment()) as address:
        holder = Visitor(address).get("/accounts/login/")
        holder.send({"login": slot.grant.holder.email, "password": PASSWORD})
        holder.get(f"/access/keys/{slot.kid}/claim/").send({"password": PASSWORD})
        tabs = [holder.twin() for _ in range(50)]
        sent = concurrently(*(partial(tab.send, {"name": "Laboratory"}) for tab in tabs))
    assert [each for each in sent if each not in tabs] == []
    said = Counter(tab.status for tab in tabs)
    # Whoever is not told that it was claimed was told to slow down before anybody looked.
    assert (said[200], said[409] + said[429]) == (1, 49)
    (shown,) = [key for tab in tabs if (key := find_key(tab.text))]
    assert access(slot, shown)
    assert (count("credential.claimed"), count("credential.claim_refused")) == (1, said[409])


def test_two_approvals_for_the_last_place(concurrently):
    phase = stories.open_phase(capacity=1)
    applications = [stories.found_good(phase=phase, times=1) for _ in range(2)]
    by = [stories.decider(), stories.decider()]
    approved, refused = sorted_by_kind(
        concurrently(
            *(partial(stories.approve, a, by=b) for a, b in zip(applications, by, strict=True))
        )
    )
    assert (len(approved), [error.code for error in refused]) == (1, ["phase_full"])
    assert places_taken(phase) == 1
    assert sorted(Application.objects.values_list("status", flat=True)) == ["granted", "in_review"]


def test_two_approvals_of_one_application(concurrently):
    application = stories.found_good(times=1)
    by = [stories.decider(), stories.decider()]
    approved, refused = sorted_by_kind(
        concurrently(*(partial(stories.approve, application, by=each) for each in by))
    )
    assert (len(approved), [error.code for error in refused]) == (1, ["not_under_review"])
    assert (Grant.objects.count(), Credential.objects.count()) == (1, 1)


def test_approving_against_withdrawing(concurrently):
    application, decider = stories.found_good(times=1), stories.decider()
    withdraw = partial(
        withdraw_application, application_id=application.pk, by=application.applicant
    )
    done, refused = sorted_by_kind(
        concurrently(partial(stories.approve, application, by=decider), withdraw)
    )
    application.refresh_from_db()
    assert len(done) == 1
    assert (application.status, refused[0].code, Grant.objects.count()) in {
        ("granted", "not_withdrawable", 1),
        ("withdrawn", "not_under_review", 0),
    }


def bulk(by, **chosen):
    """A case of what is chosen now, to be confirmed."""
    case = preview_revocation(selector=Selector(**chosen), reason="incident", note="", by=by)
    return partial(start_revocation, revocation_id=case.pk, by=by, **typed(case))


@pytest.mark.parametrize("way", ["one key", "the grant", "in bulk"])
def test_claiming_against_revoking_never_leaves_a_key_that_works(concurrently, way):
    slot, responder = stories.ready(), stories.responder()
    revoke = {
        "one key": partial(revoke_credential, kid=slot.kid, reason="misuse", by=responder),
        "the grant": partial(revoke_grant, grant_id=slot.grant_id, reason="misuse", by=responder),
        "in bulk": bulk(responder, kids=slot.kid),
    }[way]
    claim = partial(claim_credential, kid=slot.kid, by=slot.grant.holder)
    done, refused = sorted_by_kind(concurrently(claim, revoke))
    assert stories.again(slot).status == "revoked"
    tokens = [each.token for each in done if isinstance(each, Minted)]
    assert [access(slot, token) for token in tokens] == [False] * len(tokens)
    # The revocation always goes through; the claim, if it came second, is told why in its words.
    assert {error.code for error in refused} <= {"not_claimable", "grant_not_active"}
    assert len(tokens) + len(refused) == 1
    assert count("credential.claim_refused") == 0


def test_submitting_twice_at_once_is_one_revision(concurrently):
    application = stories.draft()
    submit = partial(submit_application, application_id=application.pk, by=application.applicant)
    done, refused = sorted_by_kind(concurrently(*[submit] * 4))
    assert (len(done), {error.code for error in refused}) == (1, {"not_editable"})
    assert (Revision.objects.count(), count("application.submitted")) == (1, 1)


def test_starting_many_times_at_once_is_one_application(concurrently):
    phase, user = stories.open_phase(), UserFactory()
    start = partial(start_application, phase_id=phase.pk, by=user)
    started, refused = sorted_by_kind(concurrently(*[start] * 8))
    assert (len({each.pk for each in started}), refused) == (1, [])
    assert (Application.objects.count(), count("application.started")) == (1, 1)


def test_ten_deliveries_at_once_issue_one_slot(concurrently):
    grant = stories.opened(times=1)
    issue = partial(issue_credential, grant_id=grant.pk, by=stories.WORKER)
    done, refused = sorted_by_kind(concurrently(*[issue] * 10))
    assert (sorted(done), refused) == ([0] * 9 + [1], [])
    assert (count("credential.ready"), count("grant.activated")) == (1, 1)
    assert OutgoingMail.objects.filter(template="credentials/key_ready").count() == 1


def test_taking_an_application_at_once_is_one_persons(concurrently):
    from portal.reviews.models import Assignment  # noqa: PLC0415
    from portal.reviews.services import take_application  # noqa: PLC0415

    application = stories.submitted()
    people = [stories.reviewer() for _ in range(4)]
    done, refused = sorted_by_kind(
        concurrently(
            *(partial(take_application, application_id=application.pk, by=who) for who in people)
        )
    )
    assert (len(done), {type(error) for error in refused}) == (1, {Conflict})
    assert Assignment.objects.get().reviewer == done[0].reviewer
    assert count("application.taken_into_review") == 1


def test_reviewing_twice_at_once_is_one_review(concurrently):
    application, reviewer = stories.in_review(), stories.reviewer()
    done, refused = sorted_by_kind(
        concurrently(*[partial(stories.review, application, by=reviewer)] * 3)
    )
    assert (len(done), {type(error) for error in refused}) == (1, {NotAllowed})
    assert count("review.recorded") == 1


def test_two_organizations_of_one_name_at_once_are_one(concurrently):
    names = ["Institute of Things", "INSTITUTE OF THINGS"] * 4
    calls = [partial(create_organization, name=name, by=PersonFactory()) for name in names]
    made, refused = sorted_by_kind(concurrently(*calls))
    assert ([each.pk for each in made], len(refused)) == ([Organization.objects.get().pk], 7)
    assert {(error.code, *error.fields) for error in refused} == {("name_taken", "name")}
    assert count("organization.created") == 1


def test_two_gateways_of_one_name_at_once_are_one(concurrently):
    staff = UserFactory(is_staff=True, permissions=["gateway.manage_gateways"])
    releases = [stories.open_phase().release for _ in range(2)]
    calls = [
        partial(register_gateway, release_id=release.pk, name=name, by=staff)
        for release in releases
        for name in ("Edge", "edge")
    ]
    made, refused = sorted_by_kind(concurrently(*calls))
    assert [gateway.pk for gateway, _secret in made] == [Gateway.objects.get().pk]
    assert [error.code for error in refused] == ["name_taken"] * 3
    assert count("gateway.registered") == 1
