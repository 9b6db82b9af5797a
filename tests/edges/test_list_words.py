"""Staff's lists in people's words: what they are called, their columns, and what narrows them."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.utils.text import capfirst

from accounts.models import Verification
from tests.edges.desks import signed_in
from tests.factories.accounts import InvitationFactory, StaffFactory, UserFactory
from tests.factories.gateway import make_gateway
from tests.factories.programs import ModelReleaseFactory
from tests.factories.webhooks import DeliveryFactory, EndpointFactory

pytestmark = pytest.mark.django_db

DESKS = sorted(admin.site._registry, key=lambda model: model._meta.label)
OWN_NAMES = {"application": "Review desk", "event": "Audit log"}


def address_of(model):
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def heads(page):
    return re.findall(r'<th scope="col".*?<div class="text">(.*?)</div>', page, re.DOTALL)


@pytest.mark.parametrize("model", DESKS, ids=lambda model: model._meta.label)
def test_a_list_is_called_what_it_holds(model):
    client = signed_in(StaffFactory(is_superuser=True))
    page = client.get(address_of(model)).text
    plural = capfirst(str(model._meta.verbose_name_plural))
    assert f"<h1>{OWN_NAMES.get(model._meta.model_name, plural)}</h1>" in page


def test_what_narrows_a_list_is_chosen_in_words():
    """Django's own filters show names of groups, and say “Empty” of a moment."""
    filters = {each for model in DESKS for each in admin.site.get_model_admin(model).list_filter}
    ours = {each for each in filters if isinstance(each, type)}
    assert filters == ours
    assert len(ours) > 20


def test_columns_do_not_show_names_of_attributes():
    client = signed_in(StaffFactory(is_superuser=True))
    EndpointFactory()
    InvitationFactory()
    DeliveryFactory()
    make_gateway(ModelReleaseFactory())
    seen = [
        re.sub(r"<.*?>", "", head).strip()
        for model in DESKS
        for head in heads(client.get(address_of(model)).text)
    ]
    assert len(seen) > 20
    assert [head for head in seen if re.search(r" at$|^Ref$| label$|^Organization$", head)] == []


def test_users_are_narrowed_by_their_role_in_staff():
    client = signed_in(StaffFactory(is_superuser=True))
    reviewer, other = StaffFactory(), UserFactory()
    reviewer.groups.add(Group.objects.get(name="reviewer"))

    def listed(role):
        page = client.get(f"{address_of(type(other))}?role={role}").text
        return reviewer.ref in page, other.ref in page

    found = {role: listed(role) for role in ("any", "reviewer", "decider", "none", "nonsense")}
    assert found == {
        "any": (True, False),
        "reviewer": (True, False),
        "decider": (False, False),
        "none": (False, True),
        "nonsense": (True, True),
    }
    assert (
        '<td class="field-staff_roles">Reviewer</td>'
        in client.get(f"{address_of(type(other))}?role=reviewer").text
    )


def test_an_address_may_break_before_the_at_sign_only():
    client = signed_in(StaffFactory(is_superuser=True))
    invited = InvitationFactory(email="someone@example.org")
    page = client.get(address_of(type(invited))).text
    assert "someone<wbr>@example.org" in page
    assert f'<span class="unbroken">{invited.ref}</span>' in page


def test_the_page_of_a_proof_says_of_whom_it_is_and_who_recorded_it():
    colleague = StaffFactory(name="Pia Prover")
    proof = Verification.objects.create(
        user=UserFactory(name="Ada Proven"), kind="identity", source="A call", verified_by=colleague
    )
    client = signed_in(StaffFactory(is_superuser=True))
    page = client.get(f"{address_of(Verification)}{proof.ref}/change/").text
    for said in ("Ada Proven", "Pia Prover", "Verified by:", "Reference:"):
        assert said in page


@pytest.mark.parametrize("make", [InvitationFactory, DeliveryFactory, EndpointFactory, UserFactory])
def test_pages_of_one_thing_tell_moments_as_people_do(make):
    thing = make()
    client = signed_in(StaffFactory(is_superuser=True))
    page = client.get(f"{address_of(type(thing))}{thing.ref}/change/").text
    assert re.search(r"\d{1,2} \w+ 20\d\d, \d\d:\d\d", page)
    assert "+00:00</div>" not in page
