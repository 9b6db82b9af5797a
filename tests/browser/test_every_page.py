"""Every address that gives a page, full of the demo's data, looked at by one who may see it.

What gives nobody a page is compared with what is known to be none, so that an address that stops
answering is noticed too.
"""

import re

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.mail import EmailMessage, get_connection
from django.utils import timezone

from accounts.models import Organization, User
from accounts.services import invite_member, suspend_organization, suspend_user
from portal.applications.models import Application
from portal.credentials.lines import read_lines
from portal.credentials.models import CaseThread, Grant, Revocation
from portal.credentials.services import (
    ask_to_lift,
    pause_revocation,
    preview_revocation,
    reply_about_case,
    start_revocation,
    suspend_grant,
    word_of,
    write_about_case,
)
from portal.credentials.targets import Selector
from portal.demo.people import address_of
from portal.demo.texts import DOMAIN, STAFF
from portal.mail.models import OutgoingMail
from portal.mail.services import queue_mail
from portal.programs.services import halt_phase
from tests.browser.visits import all_names, find_visits
from tests.browser.watching import assert_fits, become, look
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.cases import finished_case, preview_reissue, start_reissue
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.freezes import place
from tests.factories.programs import ModelReleaseFactory, RolloutPhaseFactory

pytestmark = pytest.mark.usefixtures("peopled", "short_lists")

# Each test takes the names that none before it took.
PARTS = {
    "desk": r"admin:(applications|reviews|audit)_",
    "keys": r"admin:(credentials|gateway|mail)_",
    "site": r"admin:",
    "own": r"(applications|credentials|accounts|webhooks):",
    "rest": r"",
}
# Probes, machines and scripts; files and parts of pages; addresses that lead on, or take only what
# a form sends; what needs a sign-in half done, which test_sign_in.py and test_people.py do; the
# gallery, which test_look.py has; what the admin lets nobody do. Of the admin's histories, all
# alike, one is looked at.
NO_PAGES = re.compile(
    r"healthz|readyz|metrics|gallery|security_txt|introspect|authorize|authorize_envoy|usage|sandbox"
    r"|None|oauth_token|oauth_revoke|oauth_metadata|jwks|snapshot|status_lists?"
    r"|mfa_(login|signup|authenticate|reauthenticate|download)\w*|account_confirm_login_code"
    r"|account_email_verification_sent|account_reset_password_from_key|socialaccount_signup"
    r"|applications:send|credentials:request_key"
    r"|accounts:(invite|change_role|resend_invitation|withdraw_invitation)"
    r"|webhooks:(ping|switch_on|switch_off|resend)"
    r"|admin:(jsi18n|autocomplete|view_on_site|login|logout|None|password_change\w*)"
    r"|admin:\w+_(find|export|progress|confirm|approve|count|answers|report|delete)|admin:programs_modelrelease_agreement"
    r"|admin:(?!applications_application)\w+_history"
    r"|admin:(?!programs_|credentials_(revocation|freeze)|gateway)\w+_add"
)


def names_of(part):
    """Those of the part that are pages."""
    earlier = "|".join(f"({names})" for names in list(PARTS.values())[: list(PARTS).index(part)])
    return {
        name
        for name in all_names()
        if re.match(PARTS[part], name)
        and not (earlier and re.match(earlier, name))
        and not NO_PAGES.fullmatch(name)
    }


def named(mailbox):
    return User.objects.get(email=f"{mailbox}@{DOMAIN}")


def staff(role):
    return named(STAFF[role][0])


def signing_in(*names):
    return [User.objects.get(email=address_of(name)) for name in names]


@pytest.fixture(scope="module")
def peopled(committed_world, django_db_blocker):
    """What the demo lacks: things suspended, halted, given up or half done, and second factors."""
    with django_db_blocker.unblock():
        _prove_more_than_a_password()
        _invite()
        _mail_to(committed_world)
        UserFactory(email=f"root@{DOMAIN}", is_staff=True, is_superuser=True)
        UserFactory(email=f"second@{DOMAIN}", is_staff=True).groups.add(
            Group.objects.get(name="decider")
        )
        # Of what has no states the last is looked for, so these come last.
        GrantFactory(status="activation_failed", attempts=5, last_error="OSError")
        _stop_things(staff("incident_responder"))
        OutgoingMail.objects.filter(pk=OutgoingMail.objects.first().pk).update(
            dead_at=timezone.now(), attempts=5, last_error="SMTPServerDisconnected"
        )


@pytest.fixture(scope="module")
def short_lists():
    """A dozen rows and the way to the next: test_lists.py looks at all there are."""
    with pytest.MonkeyPatch.context() as patch:
        for model_admin in admin.site._registry.values():
            patch.setattr(model_admin, "list_per_page", 12)
        yield


def _stop_things(by):
    live, *_others, last = Grant.objects.filter(status="active")
    _freeze(by)
    for paused in (False, True):
        _revoke(make_live_key()[0], paused=paused, by=by)
    suspend_grant(grant_id=last.pk, by=by)
    _reissue(by)
    _write_about_a_case(by)
    selector = Selector(phase=live.phase.ref)
    preview_revocation(selector=selector, reason="misuse", note="", by=by)
    # Of what has no states the last is looked for, so these come last.
    suspend_organization(organization_id=OrganizationFactory().pk, by=by)
    suspend_user(user_id=UserFactory(email=f"stopped@{DOMAIN}").pk, by=by)
    phase = RolloutPhaseFactory(release=ModelReleaseFactory(name="Halcyon-2"), name="Partners")
    halt_phase(phase_id=phase.pk, by=by)


def _revoke(key, *, paused, by):
    """A case of which nobody has been told yet."""
    case = preview_revocation(
        selector=Selector(kids=key.kid),
        reason="misuse",
        note="",
        by=by,
        title="Found in a dump",
        listed=read_lines(f"{key.kid}\nwhat is this?"),
    )
    queue_mail(
        to="late@example.org", template="credentials/keys_revoked", context={}, case=case.ref
    )
    OutgoingMail.objects.filter(case=case.ref).update(attempts=3, last_error="TimeoutError")
    typed = {"typed_count": "1", "typed_word": word_of(case.digest)}
    start_revocation(revocation_id=case.pk, digest=case.digest, by=by, **typed)
    if paused:
        pause_revocation(revocation_id=case.pk, by=by)


def _reissue(by):
    """One that waits to be confirmed, and one at which workers are."""
    for confirmed in (False, True):
        case = finished_case(by, make_live_key()[0])
        reissue = preview_reissue(case, by, note="The log is gone.")
        if confirmed:
            start_reissue(reissue, by)


def _write_about_a_case(by):
    """A question, an answer, and one more that nobody has read."""
    case = Revocation.objects.filter(status="completed").order_by("pk").first()
    person = case.items.first().credential.grant.holder
    for body in ("Was it us?", "We have found the log."):
        asked = write_about_case(revocation_id=case.pk, body=body, by=person)
        reply_about_case(thread_id=asked.thread_id, seen=asked.ref, body="We are looking.", by=by)
    write_about_case(revocation_id=case.pk, body="Thank you.", by=person)


def _freeze(by):
    """One that lifting is asked for, and a later one that stands."""
    asked, _standing = (place("person", UserFactory().ref, by=by) for _ in range(2))
    ask_to_lift(freeze_id=asked.pk, by=by)


def _invite():
    ada = signing_in("Ada Lindqvist")[0]
    other = Organization.objects.exclude(people=ada).filter(memberships__role="owner").get()
    owner = other.memberships.get(role="owner").user
    invite_member(organization_id=other.pk, email=ada.email, role="member", by=owner)


def _prove_more_than_a_password():
    ada, chiara = signing_in("Ada Lindqvist", "Chiara Conti")
    TOTP.activate(ada, generate_totp_secret())
    RecoveryCodes.activate(ada)
    WebAuthn.add(chiara, "Laptop", {})


def _mail_to(folder):
    mail = EmailMessage("Your code", "It is ABC123.", to=["ada@example.org"])
    backend = "django.core.mail.backends.filebased.EmailBackend"
    get_connection(backend, file_path=str(folder / "mail")).send_messages([mail])


def applicants():
    each = Application.objects.order_by("status", "-pk").distinct("status")
    return [application.applicant for application in each]


def walk(page, part, people):
    visits, none = find_visits(names_of(part), people)
    assert none == set()
    for visit in visits:
        become(page, visit.client)
        page.goto(visit.address)
        look_at_both(page)


def look_at_both(page):
    """Look at 360 px, measure at 320, and begin with the width that the last page ended with."""
    was = page.viewport_size["width"]
    for width in (was, 680 - was):
        page.set_viewport_size({"width": width, "height": 900})
        look(page) if width == 360 else assert_fits(page)


def test_the_review_desk(open_page):
    people = [staff("decider"), named("second"), staff("auditor")]
    walk(open_page(width=360), "desk", people)


def test_keys(open_page):
    people = [staff("incident_responder"), staff("programme_manager"), named("root")]
    walk(open_page(width=360), "keys", people)


def test_people_and_programmes(open_page):
    people = [staff("programme_manager"), staff("incident_responder"), staff("auditor")]
    people += [named("root")]
    walk(open_page(width=360), "site", people)


def test_one_s_own(open_page):
    people = [*signing_in("Ada Lindqvist", "Dario Petrov", "Chiara Conti"), *applicants()]
    people.append(CaseThread.objects.get().person)
    walk(open_page(width=360), "own", people)


def test_what_is_public_and_signing_in(open_page):
    people = [None, *signing_in("Dario Petrov", "Ada Lindqvist", "Chiara Conti")]
    people += signing_in("Bela Kovacs")  # who has no password
    walk(open_page(width=360), "rest", people)
