"""Lists of staff on an ordinary screen: every column is seen without scrolling sideways."""

from datetime import date

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from accounts.enums import VerificationKind
from accounts.models import User, Verification
from portal.credentials import services
from portal.credentials.models import Credential
from portal.credentials.targets import Selector
from portal.mail.models import OutgoingMail
from tests.browser.watching import become, look, session_of
from tests.factories.accounts import InvitationFactory, OrganizationFactory, UserFactory
from tests.factories.cases import typed
from tests.factories.freezes import place
from tests.factories.webhooks import DeliveryFactory, EndpointFactory

_HIDDEN = """() => {
    const frame = document.querySelector('.results');
    return frame.scrollWidth - frame.clientWidth;
}"""


@pytest.mark.usefixtures("committed_world")
def test_lists_are_no_wider_than_their_page(open_page):
    """All there are: of the demo, with the widest words that stand in them, and boxes to tick."""
    person = User.objects.get(email="ines.responder@demo.example")
    key = Credential.objects.filter(status="active", scopes=["model:infer"]).first()
    cases = [
        services.preview_revocation(
            selector=Selector(kids=key.kid), reason="incident", note="", by=person
        )
        for _ in range(2)
    ]
    services.contain_revocation(revocation_id=cases[0].pk, by=person)
    services.start_revocation(revocation_id=cases[1].pk, by=person, **typed(cases[1]))
    _widen(person)
    person.is_superuser = True
    person.save(update_fields=["is_superuser"])
    page = open_page(width=1280)
    become(page, session_of(person))
    hidden = {}
    for name in _lists():
        page.goto(reverse(f"admin:{name}_changelist"))
        hidden[name] = page.evaluate(_HIDDEN)
        look(page)
    assert hidden == dict.fromkeys(hidden, 0)


def _widen(person: User) -> None:
    """Addresses as long as people and machines have them, and one row at least in every list."""
    place(by=person)
    email = f"{'margaret.cunningham' * 3}@department.of.something.university.example"
    someone, partner = UserFactory(email=email, name=""), OrganizationFactory()
    InvitationFactory(email=email)
    for subject in ({"user": someone}, {"organization": partner}):
        Verification.objects.create(
            **subject,
            kind=VerificationKind.ORGANISATION,
            source="The national register of companies",
            evidence="Seen.",
            valid_until=date(2030, 9, 30),
            verified_by=person,
        )
    OutgoingMail.objects.create(
        ref="MAIL-WWWWWWWW",
        to=email,
        template="applications/changes_requested_again",
        case="CASE-WWWWWWWW",
    )
    endpoint = EndpointFactory(
        url=f"https://hooks.example.org/{'a0B1' * 60}",
        last_success_at=timezone.now(),
        disabled_at=timezone.now(),
        disabled_reason="failing",
    )
    DeliveryFactory(endpoint=endpoint, kind="grant.suspended", last_status=503, attempts=1000)


def _lists() -> list[str]:
    return sorted(model._meta.label_lower.replace(".", "_") for model in admin.site._registry)
