"""`manage.py revoke`: what it shows, refuses, and how it ends."""

import re
import shlex
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from portal.audit.models import Event
from portal.credentials import services
from portal.credentials.models import Credential, Revocation, RevocationProof
from portal.credentials.verification import explain
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.cases import typed
from tests.factories.credentials import CredentialFactory, make_live_key
from tests.factories.gateway import make_gateway
from tests.factories.programs import CapabilityFactory, RolloutPhaseFactory
from tests.factories.stories import WORKER, again, responder
from tests.unit.credentials.by_phase import live

pytestmark = pytest.mark.django_db


@pytest.fixture
def by():
    return responder(email="ines@example.org")


def revoke(*words):
    """(how it ends, what it says)."""
    out = StringIO()
    try:
        call_command("revoke", *words, "--wait", "0", stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    except SystemExit as ended:
        return ended.code, out.getvalue()
    return 0, out.getvalue()


def preview(phase, by, *more):
    ended, told = revoke("--phase", phase.ref, "--reason", "incident", "--by", by.email, *more)
    assert ended == 0, told
    return Revocation.objects.latest("pk"), told


def printed(told, act):
    """The command it says to go on with, without the program."""
    line = next(line for line in told.splitlines() if f" {act}" in line)
    words = shlex.split(line)
    return words[words.index("revoke") + 1 :]


def codes(keys):
    return [explain(key.kid).code for key in keys]


# --- Preview ------------------------------------------------------------------------------------
def test_a_preview_is_what_it_does_unless_told_otherwise(phase, by):
    partner = OrganizationFactory(name="Harbour Institute")
    keys = live(phase, grant__application__organization=partner)
    spared, slot = keys.pop(), CredentialFactory(grant__application__phase=phase)
    case, told = preview(phase, by, "--title", "The dump", "--exclude", f"{spared.kid}=night shift")
    assert (case.status, case.count, case.title) == ("previewed", 3, "The dump")
    assert codes([*keys, spared]) == ["", "", ""]
    for words in (
        rf"{case.ref} The dump\nPhase: ",
        r"Security incident; High",
        r"\n  keys +3\n  used in the last hour +0\n  not claimed yet +1\n",
        r"\n  holders +3\n  mails +3\n",
        r"\nby organisation\n +2  Harbour Institute\n +1  Individuals\n",
        rf"\nby phase\n +3  {phase.release.name}: {phase.name}\n",
        r"\nby capability\n +3  model:infer\n",
        r"\n! 1 stays alive",
        rf"\nall of them\n  {keys[0].kid}  {keys[0].grant.ref}  {keys[0].grant.holder.email}  ",
        r"  Harbour Institute  active\n",
        rf"\n  {slot.kid}  .*  on their own  ready\n",
        rf"\nstay alive\n  {spared.kid}  night shift\n",
        rf"\ndigest  {case.digest}\nvalid   until {case.expires_at:%Y-%m-%d %H:%M} UTC\n",
        r"Nothing is revoked\. 1[45] minutes are left",
    ):
        assert re.search(words, told), words
    assert printed(told, "--confirm") == [case.ref, "--confirm", case.digest, "--by", by.email]
    assert printed(told, "--contain") == [case.ref, "--contain", "--by", by.email]


def test_a_sample_is_ten_of_many(phase, by):
    keys = live(phase, 11)
    _case, told = preview(phase, by)
    assert [key.kid in told for key in keys] == [True] * 10 + [False]
    assert "the first 10 of 11" in told


def test_the_mail_is_shown_before_anybody_gets_it(phase, by):
    partner, holder = OrganizationFactory(name="Harbour Institute"), UserFactory()
    keys = live(
        phase,
        7,
        grant__application__organization=partner,
        grant__application__applicant=holder,
    )
    _case, told = preview(phase, by)
    for words in (
        rf"\nmailed\n +1  Harbour Institute: {holder.email}\n",
        rf"\nthe mail to {holder.email}\n  \| Subject: 7 of your keys are revoked\n",
        rf"\n  \| - {keys[4].kid}\n  \|\n  \| This need not be your doing",
        r"\n  \(2 more lines of ids are left out here\)\n",
    ):
        assert re.search(words, told), words


def test_criteria_hold_together(phase, by):
    meant, other = live(phase, 2)
    old = timezone.now() - timedelta(days=2)
    Credential.objects.filter(pk=other.pk).update(claimed_at=old)
    since = (timezone.now() - timedelta(days=1)).isoformat()
    case, _told = preview(phase, by, "--issued-from", since)
    assert list(case.items.values_list("credential", flat=True)) == [meant.pk]
    asked = ("--person", meant.grant.holder.email, "--capability", "model:infer")
    CapabilityFactory(release=phase.release)
    case, _told = preview(phase, by, *asked, "--kid", meant.kid, "--kid", other.kid)
    assert list(case.items.values_list("credential", flat=True)) == [meant.pk]


def test_a_criterion_given_several_times_means_either(phase, by):
    other, third = RolloutPhaseFactory(release=phase.release), RolloutPhaseFactory()
    keys = [make_live_key(grant__application__phase=each)[0] for each in (phase, other, third)]
    case, told = preview(phase, by, "--phase", other.ref)
    assert {item.credential for item in case.items.all()} == set(keys[:2])
    assert f"Phase: {phase} {phase.ref} or {other} {other.ref}\n" in told


def test_names_cannot_steer_the_terminal(phase, by):
    partner = OrganizationFactory(name="Evil\x1b[2J\u202eLab")
    live(phase, 1, grant__application__organization=partner)
    _case, told = preview(phase, by)
    assert "Evil?[2J?Lab" in told
    assert "\x1b" not in told


# --- Refused ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "ended"),
    [
        (["--reason", "incident"], 2),  # by whom
        (["--by", "ines@example.org"], 2),  # why
        (["--by", "ines@example.org", "--reason", "incident"], 1),  # no criterion
        (["--by", "ines@example.org", "--reason", "incident", "--phase", "PHA-NOPE"], 1),
        (["--by", "nobody@example.org", "--reason", "incident", "--phase", "PHA-NOPE"], 1),
        (["--confirm", "abc", "--by", "ines@example.org"], 2),  # of which case
        (["CASE-NOPE", "--status"], 1),
        (["CASE-NOPE"], 2),  # what
        (["CASE-NOPE", "--status", "--contain"], 2),
        (["CASE-NOPE", "--status", "--phase", "PHA-NOPE"], 2),
        (["--by", "ines@example.org", "--reason", "incident", "--kids-file", "/nowhere"], 2),
        (["--by", "ines@example.org", "--reason", "incident", "--exclude", "kid"], 2),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_refusals_end_as_documented(by, words, ended):
    assert revoke(*words)[0] == ended
    assert not Revocation.objects.exists()


def test_who_may_not_revoke_is_told_so(phase):
    live(phase)
    staff = UserFactory(is_staff=True)
    stranger = UserFactory(permissions=["credentials.revoke_credentials"])  # not staff
    said = [
        revoke("--phase", phase.ref, "--reason", "incident", "--by", each.email)
        for each in (staff, stranger)
    ]
    assert [ended for ended, _told in said] == [1, 1]
    assert said[0][1] == "Only an incident responder can do this. (no_permission)"
    assert said[1][1].endswith("(no_such_person)")


def test_nothing_hit_is_told_apart(phase, by):
    live(phase, 1, status="expired")
    ended, told = revoke("--phase", phase.ref, "--reason", "incident", "--by", by.email)
    assert (ended, told[-13:]) == (3, "(nothing_hit)")
    live(phase, 1)
    ended, told = revoke(
        "--phase", phase.ref, "--reason", "incident", "--by", by.email, "--rehearsal"
    )
    assert (ended, told[-13:]) == (3, "(nothing_hit)")
    assert told.startswith("None of these is a live key to test, and a drill hits no other.")


def test_another_digest_confirms_nothing(phase, by):
    keys = live(phase)
    case, _told = preview(phase, by)
    ended, told = revoke(case.ref, "--confirm", "0" * 64, "--by", by.email)
    assert (ended, told.endswith("(digest_changed)")) == (1, True)
    assert told.startswith("Nothing was revoked. That is the digest of other keys than these.")
    assert (again(case).status, codes(keys)) == ("previewed", ["", "", ""])


# --- Confirmed ----------------------------------------------------------------------------------
def test_confirmed_the_keys_are_dead_and_what_is_owed_is_said(phase, by):
    keys = live(phase)
    case, told = preview(phase, by)
    ended, told = revoke(*printed(told, "--confirm"))
    assert (ended, codes(keys)) == (4, ["key_revoked"] * 3)
    assert "DEAD. Every gateway refuses 3 keys now" in told
    assert "3 keys dead. Owed: telling the holders of 3." in told
    assert printed(told, "--status") == [case.ref, "--status"]
    assert again(case).confirmed_by == by

    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    ended, told = revoke(case.ref, "--status")
    assert (ended, "3 keys dead. Mails are leaving: 0 of 3." in told) == (4, True)
    mails = OutgoingMail.objects.filter(template="credentials/keys_revoked")
    mails.update(next_attempt_at=timezone.now())
    assert all(deliver_mail(mail_id=mail.pk) for mail in mails[:2])
    mails.filter(sent_at=None).update(dead_at=timezone.now())
    ended, told = revoke(case.ref, "--status")
    assert (ended, "3 keys dead. 1 of 3 mails given up: the case's page" in told) == (4, True)
    mails.filter(sent_at=None).update(sent_at=timezone.now(), dead_at=None)
    ended, told = revoke(case.ref, "--status")
    assert (ended, "3 keys dead, every partner told, 3 mails." in told) == (0, True)


def test_what_another_case_has_killed_is_told_apart(phase, by):
    live(phase)
    (case, told), (_other, of_other) = preview(phase, by), preview(phase, by)
    revoke(*printed(of_other, "--confirm"), "--no-wait")
    ended, told = revoke(*printed(told, "--confirm"), "--no-wait")
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    ended, told = revoke(case.ref, "--status")
    assert (ended, "0 keys dead, 3 dead before, every partner told" in told) == (0, True)


def test_without_waiting_it_ends_at_once(phase, by):
    live(phase)
    _case, told = preview(phase, by)
    ended, told = revoke(*printed(told, "--confirm"), "--no-wait")
    assert (ended, "look again: " in told, "Owed" in told) == (0, True, False)


def test_the_log_says_that_it_came_from_a_shell(phase, by):
    live(phase, 1)
    _case, told = preview(phase, by)
    revoke(*printed(told, "--confirm"))
    kinds = ["revocation.drafted", "revocation.previewed", "revocation.started"]
    events = Event.objects.filter(kind__startswith="revocation.").order_by("pk")
    assert [event.actor for event in events] == [by.ref] * len(kinds)
    assert all(re.fullmatch(r"shell-\w+-[0-9a-f]{8}", event.request_id) for event in events)


def test_a_critical_capability_takes_two(phase, by):
    CapabilityFactory(release=phase.release, scope="model:infer", tier="critical")
    keys, other = live(phase), responder(email="otto@example.org")
    case, told = preview(phase, by)
    assert "second  needed" in told
    ended, told = revoke(*printed(told, "--confirm"))
    assert (ended, codes(keys)) == (5, [""] * 3)
    assert f"confirmed by {by.email}. NOTHING IS REVOKED YET." in told
    assert f"/admin/credentials/revocation/{case.ref}/change/" in told
    ended, standing = revoke(case.ref, "--status")
    until = f"{again(case).expires_at:%Y-%m-%d %H:%M} UTC"
    assert (ended, f"It can be confirmed until {until}." in standing) == (5, True)
    # A shell can name anybody: nobody is the second person there.
    ended, told = revoke(case.ref, "--confirm", case.digest, "--by", other.email)
    assert (ended, told.endswith("(not_previewed)"), codes(keys)) == (1, True, [""] * 3)
    services.approve_revocation(
        revocation_id=case.pk,
        **typed(case),
        by=other,
    )
    assert codes(keys) == ["key_revoked"] * 3
    standing = revoke(case.ref, "--status")[1]
    assert f"confirmed  {again(case).asked_at:%Y-%m-%d %H:%M} UTC by {by.email}" in standing
    assert f"by {other.email}" in standing
    assert "be confirmed" not in standing


def test_a_preview_that_is_too_old_says_so(phase, by):
    live(phase)
    case, _told = preview(phase, by)
    Revocation.objects.update(expires_at=timezone.now())
    told = revoke(case.ref, "--status")[1]
    assert f"Too old to be confirmed since {again(case).expires_at:%Y-%m-%d %H:%M} UTC" in told


def test_contained_and_let_go_in_the_portal_alone(phase, by):
    keys, other = live(phase), responder()
    case, told = preview(phase, by, "--contain")
    assert (again(case).is_contained, codes(keys)) == (True, ["frozen_case"] * 3)
    assert "CONTAINED: every gateway refuses 3 keys from now on." in told
    page = f"/admin/credentials/revocation/{case.ref}/change/"
    assert page in told
    for who in (by, other):
        ended, told = revoke(case.ref, "--let-go", "--by", who.email)
        assert (ended, page in told, told.endswith("(in_the_portal)")) == (1, True, True)
    assert (again(case).is_contained, codes(keys)) == (True, ["frozen_case"] * 3)


def test_a_case_that_holds_nothing_is_put_away_from_a_shell(phase, by):
    keys = live(phase)
    case, _told = preview(phase, by)
    assert revoke(case.ref, "--let-go", "--by", by.email)[0] == 0
    assert (again(case).status, codes(keys)) == ("cancelled", [""] * 3)


def test_contained_then_revoked(phase, by):
    keys = live(phase)
    case, told = preview(phase, by)
    assert revoke(*printed(told, "--contain"))[0] == 0
    assert revoke(*printed(told, "--confirm"), "--no-wait")[0] == 0
    assert (again(case).status, codes(keys)) == ("running", ["key_revoked"] * 3)


def test_paused_it_stops_following(phase, by):
    live(phase)
    case, told = preview(phase, by)
    revoke(*printed(told, "--confirm"))
    assert revoke(case.ref, "--pause", "--by", by.email)[0] == 0
    assert again(case).paused_by == by
    assert revoke(case.ref, "--resume", "--by", by.email)[0] == 0
    assert again(case).paused_by is None


def test_every_gateway_is_asked(phase, by):
    live(phase, 2)
    case, _told = preview(phase, by)
    prove = (case.ref, "--prove", "--by", by.email)
    assert revoke(*prove)[1].endswith("(nothing_to_prove)")
    revoke(case.ref, "--contain", "--by", by.email)
    assert revoke(*prove) == (0, "No gateway is registered, so there is nobody to ask.\n")

    door, _secret = make_gateway(phase.release, "Front")
    ended, told = revoke(*prove)
    words = rf"  Front {door.client_id}: refuses 2 of 2, all of them \d+\.\d s after the act\n"
    words += r"  Decided from [^!]+\n  by up to 60 s [^!]+\n  by up to 0 s [^!]+\n"
    assert (ended, bool(re.fullmatch(words, told))) == (0, True), told
    assert told in revoke(case.ref, "--status")[1]

    # No case can be made whose keys work: this is what a door that lets one through would leave.
    RevocationProof.objects.create(
        revocation=case,
        door=door.client_id,
        name="Front",
        asked=2,
        refused=1,
        let_through=["Z" * 16],
        at=timezone.now() + timedelta(minutes=1),
    )
    ended, told = revoke(*prove)
    assert (ended, f"  ! lets through {'Z' * 16}\n" in told) == (6, True), told


def test_beyond_the_cap_it_takes_a_permission_and_a_reason(phase, by, settings):
    settings.REVOCATION_CAP = 2
    keys, breaker = live(phase), responder(email="glass@example.org")
    _case, told = preview(phase, by)
    pasted = printed(told, "--confirm")
    assert pasted[-4:-1] == ["--beyond-cap", "WHY", "--by"]
    assert revoke(*pasted)[1].endswith("(beyond_cap)")
    permissions = ["credentials.revoke_credentials", "credentials.break_glass"]
    breaker = UserFactory(is_staff=True, permissions=permissions)
    confirm = [*pasted[:-4], "--by", breaker.email]
    for unsaid in (confirm, [*pasted[:-1], breaker.email]):
        assert revoke(*unsaid)[1].endswith("(cap_unexplained)")
    why = ("--beyond-cap", "Every one of them was in the dump.", "--no-wait")
    assert (revoke(*confirm, *why)[0], codes(keys)) == (0, ["key_revoked"] * 3)


# --- Asked in a terminal ------------------------------------------------------------------------
class Terminal(StringIO):
    def isatty(self):
        return True


def test_in_a_terminal_count_and_word_are_typed(phase, by, monkeypatch):
    keys = live(phase)
    case, told = preview(phase, by)
    confirm, word = printed(told, "--confirm"), services.word_of(case.digest)
    monkeypatch.setattr("sys.stdin", Terminal(f"4\n{word}\n"))
    ended, told = revoke(*confirm)
    assert (ended, told.endswith("(not_confirmed)"), codes(keys)) == (1, True, [""] * 3)
    monkeypatch.setattr("sys.stdin", Terminal("3\n"))  # and Ctrl-D
    assert (revoke(*confirm)[0], codes(keys)) == (1, [""] * 3)
    monkeypatch.setattr("sys.stdin", Terminal(f"3\n{word}\n"))
    assert (revoke(*confirm, "--no-wait")[0], codes(keys)) == (0, ["key_revoked"] * 3)


def test_yes_asks_for_nothing(phase, by, monkeypatch):
    live(phase)
    _case, told = preview(phase, by)
    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert revoke(*printed(told, "--confirm"), "--yes", "--no-wait")[0] == 0


def test_a_terminal_sees_a_bar(phase, by):
    live(phase)
    _case, told = preview(phase, by)
    out = Terminal()
    with pytest.raises(SystemExit):
        call_command("revoke", *printed(told, "--confirm"), "--wait", "0", stdout=out)
    assert f"\r[{'#' * 30}] Keys marked dead: 3 of 3" in out.getvalue()
