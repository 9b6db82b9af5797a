"""What the public reads, and signing new terms."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials.verification import explain
from portal.programs.models import Signature
from portal.programs.services import publish_agreement
from tests.factories import stories
from tests.factories.accounts import UserFactory
from tests.factories.programs import ModelReleaseFactory, QuestionFactory, RolloutPhaseFactory
from tests.queries import statements

pytestmark = pytest.mark.django_db


def new_terms(release):
    return publish_agreement(
        release_id=release.pk, title="Terms", text="Be kinder.", by=stories.manager()
    )


def test_the_landing_page_says_what_is_open_and_for_whom(client):
    phase = stories.open_phase(review_days=7, capacity=3, audience="Hospital defenders")
    stories.opened(phase=phase)
    page = client.get("/")
    assert page.status_code == 200
    [programme] = page.context["programmes"]
    [offer] = programme.open
    assert (offer.status, offer.places_left, offer.sections) == ("open", 2, ["Use"])
    text = page.content.decode()
    assert "Hospital defenders" in text
    assert "An answer within 7 days" in text
    assert f"/apply/?phase={phase.ref}" in text


def test_a_full_phase_offers_the_waiting_list(client):
    phase = stories.open_phase(capacity=1)
    stories.opened(phase=phase)
    [programme] = client.get("/").context["programmes"]
    assert [(offer.status, offer.places_left) for offer in programme.open] == [("waitlisted", 0)]


def test_what_is_not_open_says_why_and_has_no_way_in(client):
    now = timezone.now()
    release = ModelReleaseFactory(published_at=now)
    later = now + timedelta(days=3)
    past = {"opens_at": now - timedelta(days=9), "closes_at": now - timedelta(days=1)}
    RolloutPhaseFactory(release=release, order=1, **past)
    RolloutPhaseFactory(release=release, order=2, opens_at=later)
    RolloutPhaseFactory(release=release, order=3)
    halted = {"halted_at": now, "halted_by": UserFactory()}
    RolloutPhaseFactory(release=release, order=4, opens_at=past["opens_at"], **halted)
    page = client.get("/")
    [programme] = page.context["programmes"]
    assert programme.open == []
    assert [(offer.phase.order, offer.label) for offer in programme.closed] == [
        (2, "Opens later"),
        (4, "Paused"),
        (1, "Closed"),
        (3, "Not open"),
    ]
    assert "/apply/" not in page.content.decode()


def test_programmes_with_something_open_come_first(client):
    ModelReleaseFactory(name="A", published_at=timezone.now())
    phase = stories.open_phase(release=ModelReleaseFactory(name="B", published_at=timezone.now()))
    ModelReleaseFactory(name="Hidden")
    names = [each.release.name for each in client.get("/").context["programmes"]]
    assert names == [phase.release.name, "A"]


def test_an_empty_landing_page_helps(client):
    assert "No programme is published yet" in client.get("/").content.decode()


def test_a_release_has_a_page_when_it_is_published(client):
    phase = stories.open_phase()
    page = client.get(f"/programmes/{phase.release.slug}/")
    assert page.context["agreement"].sha256 in page.content.decode()
    assert "It could be misused." in page.content.decode()
    hidden = ModelReleaseFactory()
    assert client.get(f"/programmes/{hidden.slug}/").status_code == 404
    assert client.get("/programmes/nothing/").status_code == 404


@pytest.mark.parametrize("path", ["/", "/programmes/{slug}/"])
def test_public_pages_cost_the_same_however_many_phases(client, path):
    phase = stories.open_phase()
    path = path.format(slug=phase.release.slug)
    before = statements(client, path)
    for order in range(1000, 1012):
        more = RolloutPhaseFactory(release=phase.release, order=order, opens_at=phase.opens_at)
        QuestionFactory(phase=more)
        more.capabilities.set(phase.capabilities.all())
    assert statements(client, path) == before


def test_signing_new_terms_makes_the_keys_work_again(client):
    key, _token = stories.claimed()
    release, holder = key.grant.phase.release, key.grant.holder
    terms = new_terms(release)
    assert explain(key.kid).code == "agreement_not_current"
    client.force_login(holder)
    page = f"/programmes/{release.slug}/terms/"
    assert terms.sha256 in client.get(page).content.decode()
    answer = client.post(page, {"signed_name": "A. Person", "sha256": terms.sha256})
    assert answer.url == page
    assert bool(explain(key.kid))
    assert "Signed by A. Person" in client.get(page).content.decode()


def test_terms_that_changed_meanwhile_are_not_signed(client):
    phase = stories.open_phase()
    old = phase.release.agreements.get()
    new = new_terms(phase.release)
    client.force_login(UserFactory())
    page = f"/programmes/{phase.release.slug}/terms/"
    answer = client.post(page, {"signed_name": "A. Person", "sha256": old.sha256})
    assert answer.status_code == 409
    assert f'value="{new.sha256}"' in answer.content.decode()
    unnamed = client.post(page, {"signed_name": " ", "sha256": new.sha256})
    assert "Type your full name to sign." in unnamed.content.decode()
    assert Signature.objects.count() == 0


def test_terms_want_a_sign_in_and_exist_only_where_there_are_any(client):
    release = ModelReleaseFactory(published_at=timezone.now())
    page = f"/programmes/{release.slug}/terms/"
    assert client.get(page).url == f"/accounts/login/?next={page}"
    client.force_login(UserFactory())
    assert client.get(page).status_code == 404
