"""One row by one statement, with a deadline that we keep."""

import asyncio
import threading
import time
from contextlib import nullcontext

import pytest
from django.db import OperationalError, connection, transaction

from portal import prepared
from portal.prepared import Statement, TextRows, TextStatement, connection_number

pytestmark = pytest.mark.django_db(transaction=True)
DOUBLE = Statement("double", "SELECT $1::text::int * 2, $1::text")


def end_our_connection():
    """From another one, as an administrator or a restart would."""
    pid = connection.connection.info.backend_pid

    def end():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        connection.close()

    other = threading.Thread(target=end)
    other.start()
    other.join(30)


def test_values_come_back_as_what_they_are():
    assert DOUBLE.row("21") == (42, "21")
    assert Statement("none", "SELECT 1 WHERE $1 = 'x'").row("y") is None


def test_text_comes_back_as_text():
    three = TextStatement("three", "SELECT $1::text, NULL::text, 'é'")
    assert three.row("a") == ("a", None, "é")
    assert TextStatement("no", "SELECT 'x' WHERE $1 = 'x'").row("y") is None


def test_it_sees_what_the_open_transaction_wrote(django_user_model):
    with transaction.atomic():
        django_user_model.objects.create_user("ada@example.org")
        count = Statement("count", "SELECT count(*) FROM accounts_user WHERE email = $1")
        assert count.row("ada@example.org") == (1,)


def test_who_counts_statements_is_told_of_each(django_assert_num_queries):
    DOUBLE.row("1")
    with django_assert_num_queries(3) as asked:
        DOUBLE.row("2")
        TextStatement("four", "SELECT 4::text").row()
        TextRows("five", "SELECT 5::text").rows()
    sent = ["SELECT $1::text::int * 2, $1::text", "SELECT 4::text", "SELECT 5::text"]
    assert [each["sql"] for each in asked] == sent


def test_silence_is_an_error_within_the_deadline_and_the_next_answer_is_our_own(monkeypatch):
    monkeypatch.setattr(prepared, "PATIENCE", 0.2)
    began = time.monotonic()
    with pytest.raises(OperationalError, match="silent"):
        Statement("slow", "SELECT pg_sleep($1::float)").row("20")
    assert time.monotonic() - began < 5
    assert DOUBLE.row("4") == (8, "4")


def test_a_dead_connection_is_replaced_once_and_is_another_one():
    assert DOUBLE.row("1") == (2, "1")
    before = connection_number()
    end_our_connection()
    assert DOUBLE.row("2") == (4, "2")
    assert connection_number() == before + 1


def test_in_a_transaction_it_is_not_replaced():
    def lose_it_half_way():
        with transaction.atomic():
            end_our_connection()
            DOUBLE.row("2")

    DOUBLE.row("1")
    with pytest.raises(OperationalError):
        lose_it_half_way()
    assert DOUBLE.row("3") == (6, "3")


def test_what_postgresql_refuses_is_no_answer():
    with pytest.raises(OperationalError):
        Statement("wrong", "SELECT $1::int").row("no number")
    assert DOUBLE.row("3") == (6, "3")


def test_a_connection_of_an_event_loop_that_is_gone_is_left_alone(monkeypatch, concurrently):
    """Under a loop Django keeps another connection for the thread; a browser's driver runs one.

    In a thread of its own, for such a driver's loop may be running in this one.
    """
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

    async def under_a_loop():
        assert DOUBLE.row("1") == (2, "1")
        connection.connection.close()  # and Django is not told

    def before_and_after_it():
        for around in (nullcontext, transaction.atomic):
            number = connection_number()
            connection.close()
            asyncio.run(under_a_loop())
            with around():
                for _ in range(2):
                    assert DOUBLE.row("21") == (42, "21")
                assert connection_number() > number

    assert concurrently(before_and_after_it) == [None]
