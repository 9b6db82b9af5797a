"""Whatever stands behind the question mark of a page: the page is shown, or what is wrong told."""

from urllib.parse import urlencode

import pytest
from django.contrib import admin
from hypothesis import given
from hypothesis import strategies as st

from portal.credentials.targets import THINGS
from tests.edges.forms.pages import Page
from tests.edges.forms.typed import TEXT, TRIES
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, StaffFactory
from tests.factories.cases import finished_case, preview_reissue
from tests.factories.credentials import make_live_key
from tests.meta.surface import signed_in

pytestmark = pytest.mark.django_db
DJANGOS = ("q", "o", "p", "all", "e", "_popup", "_to_field", "_changelist_filters", "nonsense")


def asked(names):
    """One thing or several, each once or twice."""
    typed = st.lists(TEXT, min_size=1, max_size=2)
    return st.dictionaries(st.sampled_from(names), typed, min_size=1, max_size=2)


def ask(client, address, names):
    """A refusal is a page, too: of an address that nobody comes to by a link of ours."""

    @TRIES
    @given(query=asked(sorted(names)))
    def ask_once(query):
        query = urlencode(query, doseq=True, errors="surrogatepass")
        answer = client.get(f"{address}?{query}", follow=True)
        assert answer.status_code in {200, 400, 404}, query
        assert Page(answer.text).has_heading or answer.headers.get("HX-Refresh"), query
        assert "Database error" not in answer.text, query

    ask_once()


def desks():
    """Each model's list in the admin, with the names its filters have in the address."""
    for model, desk in admin.site._registry.items():
        filters = [f.parameter_name for f in desk.list_filter if hasattr(f, "parameter_name")]
        plain = [f for f in desk.list_filter if isinstance(f, str)]
        exact = [f"{name}__{lookup}" for name in plain for lookup in ("exact", "id__exact", "in")]
        yield f"/admin/{model._meta.app_label}/{model._meta.model_name}/", [*filters, *exact]


def test_every_list_of_staff():
    key = make_live_key()[0]
    finished_case(stories.responder(), key)
    client = signed_in(StaffFactory(is_superuser=True))
    for address, filters in desks():
        ask(client, address, {*filters, *DJANGOS})


def test_the_pages_of_staff_that_are_asked_for_something():
    by, key = stories.responder(), make_live_key()[0]
    case = finished_case(by, key)
    reissue, release = preview_reissue(case, by, note="Safe."), key.grant.phase.release
    client = signed_in(StaffFactory(is_superuser=True))
    cases, programs = "/admin/credentials/revocation/", "/admin/programs/"
    for address, names in {
        f"{cases}add/": {"again", "kids", *THINGS},
        f"{cases}{case.ref}/change/": {"page", *DJANGOS},
        f"{cases}{case.ref}/progress/": {"seen"},
        f"{cases}{case.ref}/list/": {"page"},
        f"{cases}{case.ref}/answers/": {"page", "who"},
        f"/admin/credentials/reissue/{reissue.ref}/change/": {"page", *DJANGOS},
        "/admin/credentials/freeze/add/": {"level", "target"},
        f"{programs}agreementversion/add/": {"of", "release", "title", *DJANGOS},
        f"{programs}rolloutphase/add/": {"release", "capabilities", "opens_at", "order", *DJANGOS},
        f"{programs}modelrelease/{release.ref}/change/": {*DJANGOS},
        f"{programs}modelrelease/{release.ref}/history/": {*DJANGOS},
    }.items():
        ask(client, address, names)


def test_the_pages_of_people():
    place, key = MembershipFactory(), make_live_key()[0]
    case, client = finished_case(stories.responder(), key), signed_in(key.grant.holder)
    draft = stories.draft(by=key.grant.holder)
    for address, names in {
        "/applications/": {"page"},
        f"/applications/{draft.ref}/section/2/": {"check"},
        "/apply/": {"phase"},
        "/access/": {"page"},
        "/access/check/": {"kid", "scope"},
        f"/access/cases/{case.ref}/": {"page"},
        "/accounts/sign-in-again/": {"next"},
        "/accounts/password/set/": {"next"},
    }.items():
        ask(client, address, names)
    ask(signed_in(place.user), f"/accounts/organizations/{place.organization.ref}/", {"page"})


def test_the_entrances():
    client = signed_in(None)
    for address in ("login", "signup", "password/reset", "2fa/webauthn/login", "logout"):
        ask(client, f"/accounts/{address}/", {"next", "email", "process"})
