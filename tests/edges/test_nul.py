"""PostgreSQL refuses text with a NUL in it; nobody gets a failure of ours for sending one."""

import pytest
from django.contrib import admin

from tests.factories.accounts import StaffFactory, sign_in

pytestmark = pytest.mark.django_db
REF = "ORG-34679ACD"


@pytest.fixture
def staff(client):
    return sign_in(client, StaffFactory(is_superuser=True))


@pytest.mark.parametrize(
    "address",
    [
        "organizations/%00/",
        "organizations/%00/invite/",
        f"organizations/{REF}/members/%00/role/",
        f"organizations/{REF}/members/%00/remove/",
        "invitations/%00/",
        "invitations/%00/resend/",
        "invitations/%00/withdraw/",
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_our_own_pages_do_not_find_it(client, staff, address, method):
    assert getattr(client, method)(f"/accounts/{address}").status_code == 404


def desks():
    """Each model's list in the admin, with the names its filters have in the address."""
    for model, desk in admin.site._registry.items():
        filters = [f.parameter_name for f in desk.list_filter if hasattr(f, "parameter_name")]
        yield f"/admin/{model._meta.app_label}/{model._meta.model_name}/", filters


def test_no_page_and_no_button_in_the_admin_fails_on_it(client, staff):
    said = {
        client.get(f"{desk}{quoted}/change/").status_code
        for desk, _filters in desks()
        for quoted in ("%00", "_00", "APP-_00")
    }
    assert said == {302, 404}  # to the index, which tells that there is none; or not found
    assert client.get("/admin/accounts/user/_00/suspend/").status_code == 404


def test_no_list_in_the_admin_fails_on_it(client, staff):
    asked = [(desk, name) for desk, names in desks() for name in (*names, "q", "o", "p")]
    assert ("/admin/applications/application/", "phase") in asked
    said = {(desk, name): client.get(f"{desk}?{name}=a%00").status_code for desk, name in asked}
    assert said == dict.fromkeys(asked, 400)
