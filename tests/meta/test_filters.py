"""A list of the admin is narrowed by its filters, and by no condition somebody writes themselves:
from how many rows are left of it they would learn what no page shows.
"""

from http import HTTPStatus

import pytest
from django.contrib import admin
from django.contrib.admin.templatetags.admin_list import results
from django.test import RequestFactory
from django.urls import resolve, reverse

from accounts.models import User
from tests.factories.accounts import StaffFactory
from tests.meta.surface import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture(autouse=True)
def _one_row_a_page(monkeypatch):
    """What is asked here is asked of the whole list; to draw its rows would only take time."""
    for desk in admin.site._registry.values():
        monkeypatch.setattr(desk, "list_per_page", 1)


def _list_of(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture
def ask():
    """Asks the view of a list itself, as a superuser: the way there is the same for each question.

    Drawn is what depends on the question: a row, and what the filters offer, which comes second.
    """
    superuser = StaffFactory(is_superuser=True)

    def answer(address):
        request = RequestFactory().get(address)
        request.user = superuser
        found = resolve(request.path).func(request)
        if found.status_code != HTTPStatus.OK:
            return found, set()
        shown = found.context_data["cl"]
        assert len([*results(shown)]) <= 1
        return found, _offered(shown)

    return answer


def _offered(shown):
    return {each["query_string"] for spec in shown.filter_specs for each in spec.choices(shown)}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_column_can_be_asked_about(model, ask):
    address = _list_of(model)
    assert ask(address)[0].status_code == 200
    for field in model._meta.concrete_fields:
        answer, _ = ask(f"{address}?{field.name}__startswith=a")
        assert (answer.status_code, answer.get("Location")) == (302, f"{address}?e=1"), field


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_the_filters_offer_is_taken(model, ask):
    address = _list_of(model)
    page = signed_in(StaffFactory(is_superuser=True)).get(address)
    for query in _offered(page.context["cl"]):
        answer, offered = ask(address + query)
        assert (answer.status_code, bool(offered)) == (200, True), query


def test_a_right_guess_at_a_password_s_hash_is_told_like_a_wrong_one():
    person = User.objects.exclude(password="").exclude(password__startswith="!").first()
    client = signed_in(StaffFactory(permissions=["accounts.view_user"]))
    guesses = [person.password, "no" + person.password]
    told = [client.get(_list_of(User), {"password": guess}) for guess in guesses]
    assert [(each.status_code, each.url) for each in told] == [(302, f"{_list_of(User)}?e=1")] * 2


def test_what_tables_point_at_is_listed_for_nobody():
    field = {
        "app_label": "reviews",
        "model_name": "conflictofinterest",
        "field_name": "application",
    }
    answer = signed_in(StaffFactory(is_superuser=True)).get(reverse("admin:autocomplete"), field)
    assert answer.status_code == 404
