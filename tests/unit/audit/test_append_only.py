"""The log refuses to change, in the database itself."""

import pytest
from django.db import DatabaseError, connection, transaction

from portal.audit.models import Event
from portal.audit.services import System, record_event, record_events
from tests.factories.stories import submitted as make_revision

pytestmark = pytest.mark.django_db

SEALED = [
    "accounts_verification",
    "applications_revision",
    "audit_event",
    "programs_agreementversion",
    "programs_signature",
    "reviews_decision",
    "reviews_review",
]


def test_the_sealed_tables_are_these():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
            " WHERE tgfoid = 'portal_refuse_change'::regproc ORDER BY 1"
        )
        assert [name for (name,) in cursor.fetchall()] == SEALED


@pytest.mark.parametrize(
    "change", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
@pytest.mark.parametrize("table", SEALED)
def test_rights_refuse_change(table, change):
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        connection.cursor().execute(change.format(table))


@pytest.mark.parametrize("table", ["applications_revision", "programs_agreementversion"])
def test_what_others_point_at_can_be_locked_and_still_not_changed(table):
    make_revision()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {table} FOR KEY SHARE")  # as foreign keys do
        assert cursor.fetchall()
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            cursor.execute(f"UPDATE {table} SET number = 7")


@pytest.mark.parametrize("change", ["UPDATE {} SET kind = ''", "DELETE FROM {}", "TRUNCATE {}"])
def test_triggers_refuse_change_where_rights_would_allow_it(change):
    record_event("phase.saved", subject="PHA-A", thread="PHA-A", by=System("test"))
    with connection.cursor() as cursor:
        cursor.execute("GRANT UPDATE, DELETE, TRUNCATE ON audit_event TO CURRENT_USER")
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            cursor.execute(change.format("audit_event"))
    assert Event.objects.get().kind == "phase.saved"


def test_bulk_events_are_one_row_each():
    written = record_events(
        "credential.revoked",
        [("kid1", "APP-1"), ("kid2", "APP-2")],
        by=System("test"),
        payload={"reason": "incident"},
    )
    rows = Event.objects.order_by("subject").values_list("subject", "thread", "actor", "payload")
    assert written == 2
    assert list(rows) == [
        ("kid1", "APP-1", "system:test", {"reason": "incident"}),
        ("kid2", "APP-2", "system:test", {"reason": "incident"}),
    ]


@pytest.mark.django_db(transaction=True)
def test_no_event_outside_the_change_s_transaction():
    with pytest.raises(transaction.TransactionManagementError):
        record_event("phase.saved", subject="PHA-A", thread="PHA-A", by=System("test"))
    assert Event.objects.count() == 0


def test_a_kind_nobody_can_read_is_refused():
    with pytest.raises(KeyError):
        record_event("phase.exploded", subject="PHA-A", thread="PHA-A", by=System("test"))
