"""Re-issues and threads, by several at once: real threads, real row locks."""

from functools import partial

import pytest

from portal.credentials import reissuable, services
from portal.credentials.models import CaseMessage, CaseThread, Credential, Reissue, ReissueItem
from portal.credentials.targets import Selector
from portal.errors import DomainError
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.cases import (
    finish_reissue,
    finished_case,
    preview_reissue,
    start_reissue,
    typed,
)
from tests.factories.stories import again, responder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def by():
    return responder()


def live(count, **given):
    """Through the services, so that the log has all of it."""
    return [stories.claimed(**given)[0] for _ in range(count)]


def split(outcomes):
    """(what was returned, codes of what was refused); nothing else came out."""
    refused = [each for each in outcomes if isinstance(each, Exception)]
    assert [each for each in refused if not isinstance(each, DomainError)] == []
    done = [each for each in outcomes if not isinstance(each, Exception)]
    return done, sorted(each.code for each in refused)


def test_of_many_who_preview_the_same_one_gets_the_grants(by, concurrently):
    case = finished_case(by, *live(3))
    done, refused = split(concurrently(*[partial(preview_reissue, case, by)] * 6))
    assert (len(done), refused) == (1, ["nothing_to_reissue"] * 5)
    assert ReissueItem.objects.count() == 3


def test_halves_previewed_at_once_are_counted_together(by, concurrently, monkeypatch):
    monkeypatch.setattr(reissuable, "is_large", lambda slots: slots > 2)
    keys = live(4)
    case = finished_case(by, *keys)
    halves = [{key.kid: "later" for key in half} for half in (keys[:2], keys[2:])]
    done, _none = split(
        concurrently(*[partial(preview_reissue, case, by, exclusions=half) for half in halves])
    )
    assert sorted(each.needs_second for each in done) == [False, True]
    confirmed, _none = split(concurrently(*[partial(start_reissue, each, by) for each in done]))
    assert {each.status for each in confirmed} == {"awaiting_second"}


def test_of_two_who_confirm_at_once_one_does(by, concurrently):
    reissue = preview_reissue(finished_case(by, *live(2)), by)
    done, refused = split(concurrently(*[partial(start_reissue, reissue, by)] * 4))
    assert (len(done), refused) == (1, ["not_previewed"] * 3)
    assert finish_reissue(reissue) > 0


def test_confirming_and_putting_away_at_once(by, concurrently):
    reissue = preview_reissue(finished_case(by, *live(2)), by)
    away = partial(services.cancel_reissue, reissue_id=reissue.pk, by=by)
    _done, refused = split(concurrently(partial(start_reissue, reissue, by), away))
    assert len(refused) == 1
    chosen = set(reissue.items.values_list("status", flat=True))
    assert (again(reissue).status, chosen) in [("running", {"chosen"}), ("cancelled", {"dropped"})]
    assert bool(finish_reissue(reissue)) is (chosen == {"chosen"})


def test_of_two_seconds_one_is_the_second(by, concurrently):
    key = live(1, scopes=[stories.CRITICAL])[0]
    reissue = preview_reissue(finished_case(by, key, second=responder()), by)
    start_reissue(reissue, by)
    seconds = [
        partial(services.approve_reissue, reissue_id=reissue.pk, by=each, **typed(reissue))
        for each in (responder(), responder())
    ]
    done, refused = split(concurrently(*seconds))
    assert (len(done), refused) == (1, ["not_previewed"])
    assert finish_reissue(reissue) > 0


def test_many_workers_make_one_slot_a_grant_and_one_mail_a_person(by, concurrently):
    keys = live(5)
    reissue = start_reissue(preview_reissue(finished_case(by, *keys), by), by)
    concurrently(*[partial(finish_reissue, reissue)] * 5)
    assert again(reissue).status == "completed"
    slots = Credential.objects.filter(status="ready").values_list("grant", flat=True)
    assert sorted(slots) == sorted(key.grant_id for key in keys)
    mails = OutgoingMail.objects.filter(template="credentials/keys_reissued")
    assert sorted(mails.values_list("to", flat=True)) == sorted(
        key.grant.holder.email for key in keys
    )


def test_holders_who_ask_and_workers_who_make_never_give_two_slots(by, concurrently):
    keys = live(4)
    reissue = start_reissue(preview_reissue(finished_case(by, *keys), by), by)
    for key in keys:
        services.allow_new_keys(grant_id=key.grant_id, by=by)
    asks = [
        partial(services.request_credential, grant_id=key.grant_id, by=key.grant.holder)
        for key in keys
    ]
    split([each for each in concurrently(partial(finish_reissue, reissue), *asks) if each != 0])
    for key in keys:
        assert key.grant.credentials.filter(waiting=True).count() == 1
    assert again(reissue).status == "completed"


def test_a_new_case_over_the_same_grants_leaves_no_slot_alive(by, concurrently):
    """Whichever comes first: a slot made before is in the case, one to come is barred by it."""
    phase = stories.open_phase()
    *keys, beside = live(4, phase=phase)
    reissue = start_reissue(preview_reissue(finished_case(by, *keys), by), by)
    case = services.preview_revocation(
        selector=Selector(phase=phase.ref), reason="incident", note="", by=by
    )
    confirm = partial(services.start_revocation, revocation_id=case.pk, by=by, **typed(case))
    _done, refused = split(concurrently(partial(finish_reissue, reissue), confirm))
    alive = Credential.objects.filter(grant__phase=phase, status__in=["ready", "active"])
    if refused:  # the slots were first: the case has to be previewed again, with them in it
        assert (refused, alive.count()) == (["preview_grew"], 4)
    else:
        assert (alive.count(), again(beside).status) == (0, "revoked")


def test_writing_for_the_first_time_twice_at_once_is_one_thread(by, concurrently):
    key = live(1)[0]
    case = finished_case(by, key)
    write = partial(services.write_about_case, revocation_id=case.pk, by=key.grant.holder)
    done, refused = split(concurrently(*[partial(write, body=f"No. {n}") for n in range(4)]))
    assert (len(done), refused) == (4, [])
    assert (CaseThread.objects.count(), CaseMessage.objects.count()) == (1, 4)


def test_a_reply_and_a_new_message_at_once_never_hide_the_message(by, concurrently):
    key = live(1)[0]
    case = finished_case(by, key)
    holder = key.grant.holder
    for _ in range(3):
        asked = services.write_about_case(revocation_id=case.pk, body="Was it us?", by=holder)
        reply = partial(
            services.reply_about_case,
            thread_id=asked.thread_id,
            seen=asked.ref,
            body="No.",
            by=by,
        )
        more = partial(services.write_about_case, revocation_id=case.pk, body="!", by=holder)
        outcomes = concurrently(reply, more)
        assert set(split(outcomes)[1]) <= {"written_meanwhile"}
        thread = CaseThread.objects.get()
        later = thread.messages.filter(from_staff=False).last()
        assert thread.handled_at is None or later.sent_at > thread.handled_at


def test_nothing_is_left_behind(by, concurrently):
    """The same re-issue finished, put away by time, and looked at, at once."""
    reissue = start_reissue(preview_reissue(finished_case(by, *live(3)), by), by)
    concurrently(
        partial(finish_reissue, reissue),
        partial(services.close_what_is_over, by=by),
        partial(reissuable.counts, reissue),
    )
    assert again(reissue).status == "completed"
    assert Reissue.objects.get().leased_until is None
