"""What partners and staff write about a case: nothing is lost when two write at once."""

import pytest

from portal.credentials import case_threads, services
from portal.credentials.models import CaseMessage, CaseThread
from portal.credentials.targets import Selector
from portal.errors import Conflict, Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.cases import confirmed_case, finished_case
from tests.factories.credentials import make_live_key
from tests.factories.reviews import staff
from tests.factories.stories import again, manager, responder
from tests.log import written

pytestmark = pytest.mark.django_db


@pytest.fixture
def key():
    return make_live_key()[0]


@pytest.fixture
def case(key, by):
    return finished_case(by, key)


def write(case, person, body="Was it us?"):
    return services.write_about_case(revocation_id=case.pk, body=body, by=person)


def reply(message, by, body="No."):
    return services.reply_about_case(
        thread_id=message.thread_id, seen=message.ref, body=body, by=by
    )


def handle(message, by):
    return services.handle_answer(thread_id=message.thread_id, seen=message.ref, by=by)


def unread(case):
    return [thread.unread for thread in case_threads.threads_of(case)]


def told(template):
    rows = OutgoingMail.objects.filter(template=f"credentials/{template}").order_by("pk")
    return list(rows.values_list("to", "case"))


def test_a_question_and_its_answer(key, case, by):
    holder = key.grant.holder
    with written() as log:
        asked = write(case, holder)
        answered = reply(asked, by)
    assert log == [
        ("revocation.answer_received", case.ref, case.ref, holder.ref),
        ("revocation.replied", case.ref, case.ref, by.ref),
    ]
    assert list(case_threads.thread_of(holder, case)) == [asked, answered]
    assert (told("case_answered"), told("case_replied")) == (
        [(by.email, case.ref)],
        [(holder.email, case.ref)],
    )
    thread = CaseThread.objects.get()
    assert (thread.handled_at, thread.handled_by) == (asked.sent_at, by)


def test_who_is_touched(by):
    partner = OrganizationFactory()
    key = make_live_key(grant__organization=partner)[0]
    contact = MembershipFactory(organization=partner, role="technical_contact").user
    member = MembershipFactory(organization=partner, role="member").user
    quick = make_live_key()[0]
    case = services.preview_revocation(
        selector=selector_of(key, quick), reason="incident", note="", by=by
    )
    assert not case_threads.stopped_for(key.grant.holder, case)  # nothing is stopped yet
    services.revoke_credential(kid=quick.kid, reason="key_leaked", by=quick.grant.holder)
    case = confirmed_case(by, key)
    for person, may in (
        *((key.grant.holder, True), (contact, True)),
        *((member, False), (quick.grant.holder, False), (by, False), (UserFactory(), False)),
    ):
        assert bool(case_threads.stopped_for(person, case)) is may
        assert bool(case_threads.can_write_about(person, case)) is may
    drill = finished_case(by, make_live_key(kind="test")[0], rehearsal=True)
    assert not case_threads.stopped_for(drill.items.get().credential.grant.holder, drill)


def selector_of(*keys):
    return Selector(kids=" ".join(key.kid for key in keys))


def test_each_has_a_thread_of_their_own(by):
    one, other = make_live_key()[0], make_live_key()[0]
    case = finished_case(by, one, other)
    asked, theirs = (write(case, key.grant.holder, "Mine") for key in (one, other))
    assert asked.thread_id != theirs.thread_id
    assert list(case_threads.thread_of(one.grant.holder, case)) == [asked]
    with pytest.raises(Conflict) as no:
        services.reply_about_case(thread_id=asked.thread_id, seen=theirs.ref, body="No.", by=by)
    assert no.value.code == "not_seen"


def test_a_reply_to_what_was_not_the_last_word_is_refused(key, case, by):
    asked = write(case, key.grant.holder)
    later = write(case, key.grant.holder, "We found it!")
    with pytest.raises(Conflict) as no:
        reply(asked, by)
    assert no.value.code == "written_meanwhile"
    assert (CaseMessage.objects.count(), unread(case), told("case_replied")) == (2, [True], [])
    answered = reply(later, by)
    with pytest.raises(Conflict):  # a colleague answers what has been answered
        reply(later, responder())
    assert (unread(case), CaseMessage.objects.last()) == ([False], answered)


def test_what_came_meanwhile_stays_unread(key, case, by):
    asked = write(case, key.grant.holder)
    later = write(case, key.grant.holder, "We found it!")
    with written() as log:
        handle(asked, by)
        handle(asked, by)
    assert log == [("revocation.answer_handled", case.ref, case.ref, by.ref)]
    assert (CaseThread.objects.get().handled_at, unread(case)) == (asked.sent_at, [True])
    assert case_threads.unread_in(case) == 1
    handle(later, by)
    assert (unread(case), case_threads.unread_in(case)) == ([False], 0)
    handle(asked, by)  # from an older page: nothing goes back
    assert CaseThread.objects.get().handled_at == later.sent_at


def test_marked_unread_again(key, case, by):
    asked = write(case, key.grant.holder)
    handle(asked, by)
    with written() as log:
        for _ in range(2):
            services.reopen_answer(thread_id=asked.thread_id, seen=asked.ref, by=by)
    assert log == [("revocation.answer_reopened", case.ref, case.ref, by.ref)]
    assert unread(case) == [True]


def test_messages_of_a_thread_never_have_the_same_time(key, case, monkeypatch):
    moment = again(case).confirmed_at
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
    first, second = (write(case, key.grant.holder) for _ in range(2))
    assert first.sent_at < second.sent_at


def test_only_responders_answer(key, case, by):
    asked = write(case, key.grant.holder)
    for other in (manager(), key.grant.holder):
        for act in (
            lambda other=other: reply(asked, other),
            lambda other=other: handle(asked, other),
            lambda other=other: services.reopen_answer(
                thread_id=asked.thread_id, seen=asked.ref, by=other
            ),
        ):
            with pytest.raises(NotAllowed):
                act()
    assert unread(case) == [True]


def test_who_is_not_touched_or_suspended_does_not_write(key, case, by):
    with pytest.raises(NotAllowed):
        write(case, UserFactory())
    key.grant.holder.suspended_at = case.confirmed_at
    with pytest.raises(NotAllowed) as no:
        write(case, key.grant.holder)
    assert no.value.code == "account_suspended"


@pytest.mark.parametrize("body", ["", "  \n ", "x" * 5001])
def test_nothing_and_too_much_are_refused(key, case, by, body):
    with pytest.raises(Invalid):
        write(case, key.grant.holder, body)
    asked = write(case, key.grant.holder)
    with pytest.raises(Invalid):
        reply(asked, by, body)


def test_a_key_written_by_mistake_is_not_kept(case, key):
    token = make_live_key()[1]
    assert token not in write(case, key.grant.holder, f"It is {token}, is it?").body


def test_staff_are_told_whoever_is_left(key, case, by):
    lead, other = staff("incident_lead"), staff("incident_responder")
    type(by).objects.filter(pk=by.pk).update(is_active=False)
    write(case, key.grant.holder)
    assert sorted(told("case_answered")) == sorted((each.email, case.ref) for each in (lead, other))
