"""Lists of staff on an ordinary screen: every column is seen without scrolling sideways."""

import pytest
from django.urls import reverse

from accounts.models import User
from portal.credentials import services
from portal.credentials.models import Credential
from portal.credentials.targets import Selector
from tests.browser.watching import become, look, session_of
from tests.factories.cases import typed

LISTS = (
    "applications_application",
    "credentials_credential",
    "credentials_grant",
    "credentials_reissue",
    "credentials_revocation",
    "programs_modelrelease",
    "programs_rolloutphase",
)
_HIDDEN = """() => {
    const frame = document.querySelector('.results');
    return frame.scrollWidth - frame.clientWidth;
}"""


@pytest.mark.usefixtures("committed_world")
def test_lists_are_no_wider_than_their_page(open_page):
    """Of the demo, with the widest words that may stand in them, and boxes to tick."""
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
    person.is_superuser = True
    person.save(update_fields=["is_superuser"])
    page = open_page(width=1280)
    become(page, session_of(person))
    hidden = {}
    for name in LISTS:
        page.goto(reverse(f"admin:{name}_changelist"))
        look(page)
        hidden[name] = page.evaluate(_HIDDEN)
    assert hidden == dict.fromkeys(LISTS, 0)
