"""What a preview says of the mails it will be followed by: who gets one, and the words of one."""

import pytest
from django.core import mail as outbox

from portal.credentials import services
from portal.credentials.services import preview_reissue
from portal.credentials.targets import Selector
from portal.mail.letters import letter
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.edges.test_accounts_sign_in import words
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.cases import finish_reissue, finished_case, start_reissue, typed
from tests.factories.credentials import make_live_key
from tests.factories.programs import CapabilityFactory, RolloutPhaseFactory
from tests.factories.reviews import staff
from tests.factories.stories import WORKER

pytestmark = pytest.mark.django_db
CASES = "/admin/credentials/revocation/"


@pytest.fixture
def by():
    return staff("incident_responder")


@pytest.fixture
def desk(client, by):
    client.force_login(by)
    return client


@pytest.fixture
def phase():
    phase = RolloutPhaseFactory()
    CapabilityFactory(release=phase.release, tier="elevated")
    return phase


@pytest.fixture
def partner(phase):
    """Somebody looks after its keys, who holds none; four others do."""
    partner = OrganizationFactory(name="Salt & Sons")
    contact = UserFactory(email="contact@salt.example")
    MembershipFactory(organization=partner, user=contact, role="technical_contact")
    suspended = UserFactory(suspended_at="2026-01-01T00:00Z", suspended_by=staff("auditor"))
    MembershipFactory(organization=partner, user=suspended, role="owner")
    for number in range(4):
        live(phase, partner, UserFactory(email=f"holder{number}@salt.example"))
    return partner


def live(phase, partner, holder):
    return make_live_key(
        grant__application__phase=phase,
        grant__application__organization=partner,
        grant__application__applicant=holder,
    )[0]


def previewed(phase, by, **given):
    selector = Selector(phase=phase.ref)
    return services.preview_revocation(
        selector=selector, reason="key_leaked", note="", by=by, **given
    )


def page_of(desk, case):
    return desk.get(f"{CASES}{case.ref}/change/")


def test_the_mail_that_is_shown_is_the_one_that_is_sent(desk, by, phase, partner):
    case = previewed(phase, by)
    page = page_of(desk, case)
    post = page.context["post"]
    assert post.to == "contact@salt.example"
    for shown in (post.letter.subject, "4 keys of Salt &amp; Sons are revoked", case.ref):
        assert shown in words(page)
    services.start_revocation(revocation_id=case.pk, by=by, **typed(case))
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    deliver_mail(mail_id=OutgoingMail.objects.get(to=post.to).pk)
    (sent,) = outbox.outbox
    assert (sent.to, sent.subject, sent.body) == (
        [post.to],
        post.letter.subject,
        post.letter.text,
    )
    assert "What will be mailed" not in words(page_of(desk, case))


def test_who_gets_one_is_counted_by_partner_and_the_first_are_named(desk, by, phase, partner):
    live(phase, None, UserFactory(email="alone@example.org"))
    holder = UserFactory(email="holder9@salt.example")
    for _ in range(2):
        live(phase, partner, holder)
    post = page_of(desk, previewed(phase, by)).context["post"]
    assert [(each.name, each.mails, each.first, each.more) for each in post.partners] == [
        (
            "Salt & Sons",
            6,
            ["contact@salt.example", "holder0@salt.example", "holder1@salt.example"],
            3,
        ),
        ("Individuals", 1, ["alone@example.org"], 0),
    ]


def test_as_many_are_mailed_as_were_told_of(desk, by, phase, partner):
    live(phase, None, UserFactory())
    case = previewed(phase, by)
    page = page_of(desk, case)
    services.start_revocation(revocation_id=case.pk, by=by, **typed(case))
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    told = sum(each.mails for each in page.context["post"].partners)
    assert told == page.context["figures"].mails == OutgoingMail.objects.count() == 6


def test_of_very_many_partners_the_rest_are_counted(desk, by, phase):
    for _ in range(23):
        live(phase, OrganizationFactory(), UserFactory())
    page = page_of(desk, previewed(phase, by))
    assert len(page.context["post"].partners) == 20
    assert "And the people of 3 more partners." in words(page)


@pytest.mark.parametrize("how", ["a drill", "put away"])
def test_where_nobody_is_mailed_no_mail_is_shown(desk, by, phase, partner, how):
    if how == "a drill":
        live(phase, partner, UserFactory())
        make_live_key(grant__application__phase=phase, kind="test")
        case = previewed(phase, by, rehearsal=True)
    else:
        case = previewed(phase, by)
        services.cancel_revocation(revocation_id=case.pk, by=by)
    assert page_of(desk, case).context["post"] is None


def test_the_preview_of_a_re_issue_says_who_gets_a_mail(desk, by, phase, partner):
    key = live(phase, partner, UserFactory(email="only@salt.example"))
    reissue = preview_reissue(revocation_id=finished_case(by, key).pk, by=by)
    page = desk.get(f"/admin/credentials/reissue/{reissue.ref}/change/")
    post = page.context["post"]
    (told,) = post.partners
    assert (told.mails, told.first) == (2, ["contact@salt.example", "only@salt.example"])
    for shown in ("The mail to contact@salt.example", "Subject: A new key is ready to claim"):
        assert shown in words(page)
    assert f"- (a new id, in place of {key.kid})" in post.letter.text


@pytest.mark.parametrize("kept", [True, False])
def test_the_mail_of_a_re_issue_is_sent_as_the_preview_shows_it(desk, by, phase, partner, kept):
    """But for the ids, which nobody knows before the keys are made."""
    whose = partner if kept else None
    person = UserFactory()
    case = finished_case(by, *(live(phase, whose, person) for _ in range(2)))
    OutgoingMail.objects.all().delete()
    reissue = preview_reissue(revocation_id=case.pk, by=by)
    post = desk.get(f"/admin/credentials/reissue/{reissue.ref}/change/").context["post"]
    finish_reissue(start_reissue(reissue, by))
    sent = OutgoingMail.objects.get(to=post.to)
    was = letter(sent.template, sent.context)
    assert post.letter.subject == was.subject == "2 new keys are ready to claim"

    def without_ids(text):
        return [line for line in text.splitlines() if not line.startswith("- ")]

    assert without_ids(post.letter.text) == without_ids(was.text)
    assert post.letter.text.count("\n- (a new id") == was.text.count("\n- ") == 2
