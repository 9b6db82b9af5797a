"""The review desk, as staff in their roles walk it: never a superuser, always through the pages."""

import re

import pytest

from portal.admin_buttons import object_url
from portal.applications.enums import ApplicationStatus as S
from portal.applications.models import Message
from portal.applications.services import save_answers, submit_application
from portal.credentials.models import Grant
from portal.errors import NotAllowed
from portal.programs.services import halt_phase
from portal.reviews.enums import ConflictResolution
from portal.reviews.models import ConflictOfInterest, Decision, Review
from portal.reviews.services import declare_conflict, request_changes, resolve_conflict
from tests.edges.desks import QUEUE, REVIEW, VERBS, page, press, signed_in
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory
from tests.factories.reviews import staff
from tests.factories.stories import CRITICAL, ELEVATED, STANDARD, again

pytestmark = pytest.mark.django_db


def told(response):
    """What the page that follows says first."""
    return [str(message) for message in response.wsgi_request._messages]


def make_colleagues(*people):
    organization = OrganizationFactory()
    for person in people:
        MembershipFactory(user=person, organization=organization, role="member")


# --- Approving --------------------------------------------------------------------------------


def test_two_reviewers_approve_an_elevated_application():
    application = stories.submitted(scopes=[STANDARD, ELEVATED])
    rosa, ruben = staff("reviewer"), staff("reviewer")
    assert press(rosa, application, "take").url == object_url(application)
    assert press(rosa, application, "review", **REVIEW).status_code == 302
    early = press(ruben, application, "approve", scopes=[STANDARD, ELEVATED])
    assert early.status_code == 403
    assert "1 of 2 reviewers needed at the elevated tier" in early.text
    assert press(ruben, application, "review", **REVIEW).status_code == 302

    asked = signed_in(ruben).get(object_url(application, verb="approve"))
    assert "2 of 2 needed at the elevated tier" in asked.text
    assert "A grant of 180 days opens" in asked.text
    done = press(ruben, application, "approve", scopes=[STANDARD], text="Welcome.")

    assert done.url == object_url(application)
    assert again(application).status == S.GRANTED
    assert Grant.objects.get(application=application).scopes == [STANDARD]
    assert Decision.objects.get().decided_by == ruben


def test_capabilities_not_asked_for_cannot_be_ticked():
    application = stories.reviewed(scopes=[STANDARD])
    response = press(staff("reviewer"), application, "approve", scopes=[STANDARD, ELEVATED])
    assert response.status_code == 200
    assert "Select a valid choice" in response.text
    assert again(application).status == S.IN_REVIEW


def test_a_critical_application_is_for_a_decider_who_did_not_review_it():
    application = stories.reviewed(scopes=[CRITICAL])
    hands_on, fresh = staff("decider"), staff("decider")
    press(hands_on, application, "review", **REVIEW)
    by_reviewer = press(staff("reviewer"), application, "approve", scopes=[CRITICAL])
    by_hands_on = press(hands_on, application, "approve", scopes=[CRITICAL])
    assert (by_reviewer.status_code, by_hands_on.status_code) == (403, 403)
    assert "This one is for a decider." in by_reviewer.text
    assert "You reviewed it, so somebody else decides it." in by_hands_on.text
    assert press(fresh, application, "approve", scopes=[CRITICAL]).status_code == 302
    assert again(application).status == S.GRANTED


def test_a_full_phase_says_so_and_keeps_what_was_typed():
    phase = stories.open_phase(capacity=1)
    stories.approve(stories.reviewed(phase=phase))
    application = stories.reviewed(phase=phase)
    decider = staff("decider")
    assert "0 of 1" in signed_in(decider).get(object_url(application, verb="approve")).text
    response = press(decider, application, "approve", scopes=[STANDARD], text="Welcome, Ada.")
    assert response.status_code == 409
    assert "All 1 places of Early partners are taken." in response.text
    assert "Welcome, Ada." in response.text
    assert again(application).status == S.IN_REVIEW


def test_without_the_current_agreement_an_approval_is_an_offer():
    application = stories.reviewed()
    stories.AgreementVersionFactory(release=application.phase.release, number=2)
    decider = staff("decider")
    assert (
        "has 14 days to sign"
        in signed_in(decider).get(object_url(application, verb="approve")).text
    )
    press(decider, application, "approve", scopes=[STANDARD])
    assert again(application).status == S.APPROVED


# --- Those with a tie ----------------------------------------------------------------------------


def test_nobody_approves_their_own_application():
    decider = staff("decider")
    application = stories.reviewed(by=decider)
    assert page(decider, application).status_code == 403
    assert "This is your own application." in page(decider, application).text
    response = press(decider, application, "approve", scopes=[STANDARD])
    assert response.status_code == 302
    assert told(response) == ["This is your own application."]
    assert again(application).status == S.IN_REVIEW
    assert application.ref not in signed_in(decider).get(QUEUE).text


def test_nobody_reads_or_decides_a_colleague_s():
    application = stories.reviewed()
    colleague = staff("decider")
    assert application.ref in signed_in(colleague).get(QUEUE).text
    make_colleagues(colleague, application.applicant)
    refused = page(colleague, application)
    assert refused.status_code == 403
    assert "You belong, or belonged, to the applicant&#x27;s organisation." in refused.text
    assert "Triage of alerts." not in refused.text
    for verb in set(VERBS) - {"conflict"}:
        client = signed_in(colleague)
        for response in (
            client.get(object_url(application, verb=verb), follow=True),
            client.post(object_url(application, verb=verb), {}, follow=True),
        ):
            assert "Triage of alerts." not in response.text
    assert again(application).status == S.IN_REVIEW
    assert application.ref not in signed_in(colleague).get(f"{QUEUE}?standing=all").text


def test_a_declared_conflict_leaves_the_cover_until_it_is_waived():
    application = stories.in_review()
    rosa, dana = staff("reviewer"), staff("decider")
    assert "Triage of alerts." in page(rosa, application).text
    press(rosa, application, "conflict", kind="apparent", detail="We wrote a paper together.")
    conflict = ConflictOfInterest.objects.get(person=rosa)
    cover = page(rosa, application)
    assert cover.status_code == 200
    assert "You see the cover of this file only" in cover.text
    assert "Triage of alerts." not in cover.text
    assert "Your conflict" in signed_in(rosa).get(QUEUE).text

    own = signed_in(rosa).post(object_url(conflict, verb="resolve"), {"resolution": "waived"})
    assert own.status_code == 403
    done = signed_in(dana).post(object_url(conflict, verb="resolve"), {"resolution": "waived"})
    assert done.url == object_url(application)
    assert again(conflict).resolution == ConflictResolution.WAIVED
    assert "Triage of alerts." in page(rosa, application).text


def test_a_decider_with_a_tie_resolves_no_conflict_in_it():
    application = stories.in_review()
    dana = staff("decider")
    conflict = declare_conflict(
        application_id=application.pk, kind="real", detail="Kin.", by=staff("reviewer")
    )
    make_colleagues(dana, application.applicant)
    response = signed_in(dana).post(object_url(conflict, verb="resolve"), {"resolution": "waived"})
    assert response.status_code == 404
    with pytest.raises(NotAllowed):
        resolve_conflict(conflict_id=conflict.pk, resolution="waived", by=dana)
    assert again(conflict).resolution == ConflictResolution.OPEN


CONFLICTS = "/admin/reviews/conflictofinterest/"


def conflicts_read_by(user, *conflicts):
    """Of these, whose words this person reads: in the list and on the page of each."""
    client = signed_in(user)
    rows = client.get(CONFLICTS).text
    listed = [each for each in conflicts if object_url(each) in rows]
    shown = [
        each
        for each in conflicts
        if f"Detail of {each.person}" in client.get(object_url(each), follow=True).text
    ]
    assert shown == listed
    return listed


def test_conflicts_are_read_by_those_who_may_read_the_file_and_who_declared_them():
    applicant, rosa, ruben = staff("reviewer"), staff("reviewer"), staff("reviewer")
    application, other = stories.in_review(by=applicant), stories.in_review()
    first, second, elsewhere = (
        declare_conflict(application_id=a.pk, kind="real", detail=f"Detail of {by}", by=by)
        for a, by in ((application, rosa), (application, ruben), (other, rosa))
    )
    colleague, free = staff("decider"), staff("decider")
    make_colleagues(colleague, applicant)
    every = (first, second, elsewhere)
    assert conflicts_read_by(applicant, *every) == [elsewhere]
    assert conflicts_read_by(colleague, *every) == [elsewhere]
    assert conflicts_read_by(rosa, *every) == [first, elsewhere]
    assert conflicts_read_by(ruben, *every) == [second, elsewhere]
    assert conflicts_read_by(free, *every) == [first, second, elsewhere]
    resolve_conflict(conflict_id=first.pk, resolution="waived", by=free)
    assert conflicts_read_by(rosa, *every) == [first, second, elsewhere]


# --- Reviews -------------------------------------------------------------------------------------


def test_a_colleague_s_review_is_shown_after_one_s_own():
    application = stories.in_review(scopes=[ELEVATED])
    rosa = staff("reviewer")
    stories.review(application)
    assert "Looked at it." not in page(rosa, application).text
    assert "once you have recorded your own review" in page(rosa, application).text
    assert "Looked at it." in page(staff("decider"), application).text
    assert "Looked at it." in page(staff("auditor"), application).text
    press(rosa, application, "review", **REVIEW)
    assert "Looked at it." in page(rosa, application).text


@pytest.mark.parametrize(
    ("verb", "typed"),
    [
        ("review", REVIEW),
        ("approve", {"scopes": [STANDARD], "text": "Welcome."}),
        ("changes", {"general": "Say more."}),
        ("decline", {"reason_code": "risk_too_high", "text": "Not yet."}),
        ("waitlist", {"text": "A place is missing."}),
    ],
)
def test_a_page_opened_before_a_new_revision_judges_nothing(verb, typed):
    application, rosa = stories.reviewed(), staff("decider")
    opened = signed_in(rosa).get(object_url(application, verb=verb))
    assert opened.context["form"]["revision"].value() == 1
    assert 'name="revision" value="1"' in opened.text
    request_changes(
        application_id=application.pk,
        revision=stories.read(application.pk),
        notes={"": "More."},
        by=staff("reviewer"),
    )
    submit_application(application_id=application.pk, by=application.applicant)
    press(staff("reviewer"), application, "take", holder=application.assignment.reviewer.ref)
    stories.review(application)
    late = press(rosa, application, verb, revision=1, **typed)
    assert late.status_code == 409
    assert "Revision 2 has come in since you opened this page" in late.text
    assert (
        next(typed[name] for name in ("comment", "text", "general") if name in typed) in late.text
    )
    assert again(application).status == S.IN_REVIEW
    assert Review.objects.filter(reviewer=rosa).count() == 0
    unnamed = press(rosa, application, verb, revision="", **typed)
    assert unnamed.status_code == 200
    assert again(application).status == S.IN_REVIEW


def test_the_approval_page_says_whether_it_can_be_given():
    application, decider = stories.reviewed(), staff("decider")
    asked = signed_in(decider).get(object_url(application, verb="approve"))
    assert "In good standing" in asked.text
    halt_phase(phase_id=application.phase_id, by=stories.manager())
    refused = press(decider, application, "approve", scopes=[STANDARD])
    assert refused.status_code == 403
    assert refused.text.count("This phase is halted: nothing is given") == 2
    assert "In good standing" not in refused.text
    assert "This phase is halted: nothing is given" in page(decider, application).text


def test_an_incomplete_review_is_not_recorded_and_keeps_its_comment():
    application = stories.in_review()
    response = press(staff("reviewer"), application, "review", **{**REVIEW, "score_need": ""})
    assert response.status_code == 200
    assert "Something needs correcting" in response.text
    assert REVIEW["comment"] in response.text
    assert Review.objects.count() == 0


def test_taking_over_is_asked_for_and_a_third_person_s_is_not_taken():
    application = stories.in_review()
    first = application.assignment.reviewer
    ruben, tess = staff("reviewer"), staff("reviewer")
    asked = signed_in(tess).get(object_url(application, verb="take"))
    assert f"<strong>{first}</strong> has taken this application" in asked.text
    press(ruben, application, "take", holder=first.ref)
    late = press(tess, application, "take", holder=first.ref)
    assert late.status_code == 409
    assert f"{ruben} has taken {application.ref} already." in late.text
    assert again(application).assignment.reviewer == ruben


# --- Changes, declining, waiting, writing ---------------------------------------------


def test_what_changed_after_a_request_is_marked():
    application = stories.in_review()
    rosa = staff("reviewer")
    form = signed_in(rosa).get(object_url(application, verb="changes"))
    assert "Triage of alerts." in form.text
    press(rosa, application, "changes", revision=1, general="", about_purpose="Which alerts?")
    assert again(application).status == S.CHANGES_REQUESTED
    assert Message.objects.get().question == "purpose"

    application = again(application)
    save_answers(
        application_id=application.pk,
        version=application.version,
        answers={"purpose": "Triage of security alerts."},
        by=application.applicant,
    )
    submit_application(application_id=application.pk, by=application.applicant)
    text = page(rosa, application).text
    assert "1 answer changed since revision 1" in text
    assert "Triage of <ins>security </ins>alerts." in text
    assert "Which alerts?" in text


def test_a_request_without_a_word_is_refused():
    application = stories.in_review()
    response = press(
        staff("reviewer"), application, "changes", revision=1, general=" ", about_purpose=""
    )
    assert response.status_code == 400
    assert "Say what should change." in response.text
    assert again(application).status == S.IN_REVIEW


@pytest.mark.parametrize(
    ("missing", "words"),
    [("reason_code", "This field is required."), ("text", "This field is required.")],
)
def test_declining_takes_a_reason_and_words(missing, words):
    application = stories.in_review()
    typed = {"reason_code": "risk_too_high", "text": "Tell us who is responsible."}
    response = press(staff("reviewer"), application, "decline", **{**typed, missing: ""})
    assert response.status_code == 200
    assert words in response.text
    assert again(application).status == S.IN_REVIEW


def test_declining():
    application = stories.in_review()
    press(
        staff("reviewer"),
        application,
        "decline",
        reason_code="risk_too_high",
        text="Tell us who is responsible.",
        may_reapply_from="2031-01-31",
    )
    assert again(application).status == S.DECLINED
    decision = Decision.objects.get()
    assert (decision.reason_code, str(decision.may_reapply_from)) == ("risk_too_high", "2031-01-31")
    assert "Tell us who is responsible." in page(staff("auditor"), application).text


def test_waiting_list_and_back():
    application = stories.in_review()
    rosa = staff("reviewer")
    press(rosa, application, "waitlist", text="A place is missing.")
    assert again(application).status == S.WAITLISTED
    press(rosa, application, "take", holder=application.assignment.reviewer.ref)
    assert again(application).status == S.IN_REVIEW


def test_writing_to_the_applicant():
    application = stories.in_review()
    press(staff("reviewer"), application, "reply", body="One more question.")
    assert [(m.from_staff, m.body) for m in application.messages.all()] == [
        (True, "One more question.")
    ]
    assert "One more question." in page(staff("auditor"), application).text


# --- The queue -----------------------------------------------------------------------------------


def listed(client, query=""):
    found = re.findall(r'<span class="unbroken">(APP-\w+)</span>', client.get(QUEUE + query).text)
    return set(found)
