"""The log, as an auditor reads it."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.audit.models import Event
from portal.audit.paging import BoundedPaginator
from portal.audit.selectors import search
from portal.audit.services import System, record_event, record_events
from portal.reviews.models import ConflictOfInterest
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.reviews import staff

pytestmark = pytest.mark.django_db

LOG = "/admin/audit/event/"
KID = "9fK2mQ7xW4bT1nZc"


@pytest.fixture
def auditor(client):
    client.force_login(staff("auditor"))
    return client


@pytest.fixture
def ada():
    return UserFactory(name="Ada Lovelace", email="ada@example.net")


def happened(kind, by, subject="APP-7K3M9QXD", thread=None, **payload):
    record_event(kind, subject=subject, thread=thread or subject, by=by, payload=payload)
    return Event.objects.latest("id")


def listed(client, query=""):
    """Ids of the events listed, newest first."""
    found = re.findall(rf'href="{LOG}(\d+)/change/', client.get(LOG + query).text)
    return [int(each) for each in found]


def test_people_are_named_when_shown_and_things_are_linked(auditor, ada):
    happened("application.submitted", ada)
    text = auditor.get(LOG).text
    assert "Ada Lovelace" in text
    assert f'href="/admin/accounts/user/{ada.ref}/change/"' in text
    assert 'href="/admin/applications/application/APP-7K3M9QXD/change/"' in text
    ada.name = "Augusta"
    ada.save()
    assert "Augusta" in auditor.get(LOG).text


def test_somebody_erased_and_the_portal_itself(auditor):
    gone = System("worker")
    gone.ref = "USR-EEEEEEEE"
    happened("application.submitted", gone)
    happened("credential.ready", System("worker"), subject=KID)
    text = auditor.get(LOG).text
    assert "USR-EEEEEEEE" in text
    assert "The portal (worker)" in text


def test_one_event_shows_its_payload(auditor, ada):
    ref = stories.submitted().ref
    event = happened("review.recorded", ada, "REV-7K3M9QXD", ref, recommendation="approve")
    text = auditor.get(f"{LOG}{event.pk}/change/").text
    assert "Review recorded" in text
    assert "&quot;recommendation&quot;: &quot;approve&quot;" in text
    assert "Ada Lovelace" in text


def payload_shown(user, event):
    client = Client()
    client.force_login(user)
    answer = client.get(f"{LOG}{event.pk}/change/")
    assert answer.status_code == 200
    return "<pre>" in answer.text


def test_what_a_review_said_is_read_by_those_who_may_read_the_file():
    application = stories.reviewed(times=1)
    event = Event.objects.get(kind="review.recorded")
    assert event.payload["recommendation"] == "approve"
    submitted = Event.objects.get(kind="application.submitted")
    tied, conflicted = staff("auditor"), staff("auditor")
    for person in (tied, application.applicant):
        MembershipFactory(user=person, organization=OrganizationFactory.create(name=f"{person.pk}"))
    tied.memberships.create(
        organization=application.applicant.memberships.get().organization, role="member"
    )
    ConflictOfInterest.objects.create(
        application=application, person=conflicted, kind="real", detail="Kin."
    )
    may_read = {
        "auditor": staff("auditor"),
        "tied auditor": tied,
        "auditor with a conflict": conflicted,
        "responder": staff("incident_responder"),
    }
    for each in (event, submitted):
        shown = {name for name, who in may_read.items() if payload_shown(who, each)}
        assert shown == {"auditor"}
    # Somebody who reviews and audits reads a colleague's opinion after giving their own.
    both = staff("auditor")
    both.groups.add(Group.objects.get(name="reviewer"))
    assert (payload_shown(both, event), payload_shown(both, submitted)) == (False, True)
    signed = Event.objects.get(kind="agreement.signed")
    assert [payload_shown(who, signed) for who in may_read.values()] == [True] * 4


def test_an_event_whose_file_is_not_here_shows_no_opinion(auditor, ada):
    event = happened("review.recorded", ada, subject="REV-7K3M9QXD", recommendation="approve")
    text = auditor.get(f"{LOG}{event.pk}/change/").text
    assert "The file it belongs to is not here." in text
    assert "recommendation" not in text


def test_search_is_by_whole_references_kids_and_addresses(auditor, ada):
    by_ada = happened("application.submitted", ada)
    of_thread = happened("review.recorded", System("x"), "REV-7K3M9QXD", thread="APP-7K3M9QXD")
    of_key = happened("credential.ready", System("worker"), subject=KID, thread="GRT-7K3M9QXD")
    assert listed(auditor, "?q=app-7k3m9qxd") == [of_thread.pk, by_ada.pk]
    assert listed(auditor, "?q=ADA@example.net") == [by_ada.pk]
    assert listed(auditor, f"?q={KID}") == [of_key.pk]
    assert listed(auditor, f"?q={KID.lower()}") == []
    assert listed(auditor, "?q=7K3M9QXD") == []
    assert listed(auditor, f"?q=APP-7K3M9QXD+{ada.ref}") == [by_ada.pk]


def test_a_revoked_key_is_found_by_its_file_and_the_log_is_never_read_from_end_to_end(ada):
    worker, file = System("worker"), "APP-7K3M9QXD"
    asked = happened("credential.requested", worker, subject=KID, thread=file)
    revoked = happened("credential.revoked", ada, subject=KID, thread=file)
    happened("credential.revoked", ada, subject="aNother7xW4bT1nZ", thread=file)
    found = search(Event.objects.all(), KID)
    assert list(found) == [revoked, asked]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = found.order_by().explain()  # in the order of ids, so few rows are read by their id
    assert "Seq Scan" not in plan
    assert "event_by_subject_not_revoked" in plan


def test_filters(auditor, ada):
    first = happened("application.submitted", ada)
    second = happened("review.recorded", ada)
    assert listed(auditor, "?area=review") == [second.pk]
    assert listed(auditor, "?area=application&kind=application.submitted") == [first.pk]
    assert listed(auditor, "?area=review&kind=review.decided") == []
    assert listed(auditor, "?hours=1") == [second.pk, first.pk]
    assert listed(auditor, "?hours=never") == [second.pk, first.pk]
    Event.objects.bulk_create(
        [Event(at=timezone.now() - timedelta(days=2), kind="user.signed_up", actor="system:x")]
    )
    assert len(listed(auditor)) == 3
    assert listed(auditor, "?hours=24") == [second.pk, first.pk]


def test_nothing_counts_every_row(auditor, django_assert_max_num_queries):
    with django_assert_max_num_queries(20) as seen:
        auditor.get(LOG)
    counts = [query["sql"] for query in seen.captured_queries if "COUNT(" in query["sql"]]
    assert [bool(re.search(r"LIMIT 10001", sql)) for sql in counts] == [True]


def test_a_list_goes_no_further_than_pages_are_offered(auditor, monkeypatch):
    record_events("user.signed_up", [(f"USR-{n}", "x") for n in range(3)], by=System("x"))
    few = BoundedPaginator(Event.objects.order_by("-id"), 2)
    assert (few.count, few.more) == (3, False)
    monkeypatch.setattr("portal.audit.paging.MOST_LISTED", 2)
    many = BoundedPaginator(Event.objects.order_by("-id"), 2)
    assert (many.count, many.more, many.num_pages) == (2, True, 1)
    assert "there are more" in auditor.get(LOG).text


def test_names_take_one_query_however_many_rows(auditor, django_assert_max_num_queries):
    def queries():
        with django_assert_max_num_queries(20) as seen:
            auditor.get(LOG)
        return len(seen)

    happened("application.submitted", UserFactory())
    auditor.get(LOG)
    for_one = queries()
    for _ in range(29):
        happened("application.submitted", UserFactory())
    assert queries() == for_one


@pytest.mark.parametrize("path", [LOG, "{event}change/", f"{LOG}add/", "{event}delete/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_the_log_is_for_auditors_and_changed_by_nobody(path, method):
    event = happened("application.submitted", System("x"))
    url = path.replace("{event}", f"{LOG}{event.pk}/")

    def asked_by(user):
        client = Client()
        if user:
            client.force_login(user)
        return getattr(client, method)(url)

    assert asked_by(None).url.startswith("/admin/login/")
    assert asked_by(UserFactory(is_staff=True)).status_code == 403
    assert asked_by(staff("reviewer")).status_code == 403
    changes = method == "post" or "change" not in path
    expected = 403 if path != LOG and changes else 200
    assert asked_by(staff("auditor")).status_code == expected


def test_an_application_s_page_names_who_did_what():
    application = stories.in_review()
    client = Client()
    client.force_login(staff("auditor"))
    text = client.get(f"/admin/applications/application/{application.ref}/change/").text
    assert "Taken into review" in text
    assert f"· {application.assignment.reviewer}" in text
