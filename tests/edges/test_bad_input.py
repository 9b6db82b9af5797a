"""Whatever is sent to a form: no failure of ours, words that say what is wrong, nothing typed lost
and nothing written.
"""

import json
import tracemalloc

import pytest
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.urls import get_resolver
from hypothesis import given

from tests.edges.forms import (
    FORMS,
)
from tests.edges.forms.pages import Page, lost
from tests.edges.forms.trying import check, text_of
from tests.edges.forms.typed import TRIES, sent
from tests.rows import rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("institution")]


@pytest.fixture
def institution(monkeypatch):
    """One may sign in from an institution, which settings here have none of."""
    assert get_resolver().url_patterns  # made once, and for good: without its routes
    monkeypatch.setitem(registry.provider_map, OpenIDConnectProvider.id, OpenIDConnectProvider)


@pytest.mark.parametrize("name", FORMS)
def test_whatever_is_sent_is_taken_or_refused_in_words_with_nothing_lost(name):
    form = FORMS[name]()
    before = rows()
    # An honest one is taken: else the rest would look at a door that is shut anyway.
    honest, after = form.send(form.fields)
    assert not form.refuses(honest), text_of(honest)
    assert (after != before) is form.writes, honest.headers

    @TRIES
    @given(fields=sent(form.fields))
    def try_one(fields):
        answer, after = form.send(fields)
        check(form, answer, fields, before=before, after=after)

    try_one()


@pytest.mark.parametrize("name", ["profile", "new_organization", "gateway", "verification"])
def test_a_form_sent_empty_says_what_is_missing(name):
    form = FORMS[name]()
    before = rows()
    answer, after = form.send({})
    check(form, answer, {}, before=before, after=after)
    assert "This field is required." in Page(answer.text).told


@pytest.mark.parametrize("name", ["terms", "offer", "terms_of_a_release"])
def test_the_name_typed_under_other_terms_is_kept(name):
    form = FORMS[name]()
    answer, _after = form.send({**form.fields, "sha256": ["0" * 64]})
    page = Page(answer.text)
    assert (answer.status_code, page.typed) == (409, {"signed_name": "A. Person"})


def test_what_is_sent_was_on_the_page_whatever_that_says_about_itself():
    form = FORMS["answers"]()
    before = rows()
    answer, after = form.send({**form.fields, "form.shown": []})
    assert (form.refuses(answer), after == before) == (False, False)
    stale = {**form.fields, "form.shown": ["nonsense"], "form.version": ["0"]}
    answer, after = form.send(stale)
    kept = lost(Page(answer.text), form.posted(stale), but=set())
    assert (answer.status_code, kept, after == before) == (409, {}, True)


@pytest.mark.parametrize(
    ("name", "part"),
    [("passkey_of_a_sign_up", "attestationObject"), ("sign_in_by_passkey", "signature")],
)
def test_no_stranger_makes_us_ask_for_as_much_memory_as_they_like(name, part):
    """A number where bytes should stand is a length to whoever reads it carelessly."""
    form = FORMS[name]()
    credential = json.loads(form.fields["credential"][0])
    credential["response"][part] = 64_000_000
    tracemalloc.start()
    answer, _after = form.send({**form.fields, "credential": [json.dumps(credential)]})
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (answer.status_code < 500, most < 32_000_000) == (True, True)
