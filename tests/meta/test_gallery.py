"""Whoever builds a page finds every element on one page."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from tests.factories.accounts import UserFactory


@pytest.mark.django_db
def test_every_element_stands_in_the_gallery(client):
    client.force_login(UserFactory())  # the account menu is there for people signed in
    shown = {template.name for template in client.get("/gallery/").templates}
    folder = Path(settings.BASE_DIR) / "templates"
    elements = {str(file.relative_to(folder)) for file in folder.glob("elements/*.html")}
    assert {name for name in shown if name and name.startswith("elements/")} == elements


@pytest.mark.django_db
def test_no_name_is_given_twice_on_it(client):
    """Labels, summaries of errors and styles mean one thing by an id."""
    client.force_login(UserFactory())
    ids = re.findall(r'\sid="([^"]+)"', client.get("/gallery/").text)
    assert sorted(ids) == sorted(set(ids))
