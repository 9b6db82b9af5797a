"""What stands in a line of the log, in either form, and what never does."""

import io
import json
import logging
import re
from datetime import UTC, datetime

import pytest
from celery import current_app
from django.test import RequestFactory

from portal.cached import forget_expired
from portal.credentials.secrets import mint, new_kid
from portal.gateway.authentication import new_secret
from portal.log_lines import JsonLine, Line, NotToldTwice
from portal.redaction import RedactKeys
from portal.request_id import request_id
from portal.tasks import forget
from tests.factories.gateway import basic

LIVE = mint(new_kid()).token
GATEWAY = new_secret()
SECRETS = {
    "live key": LIVE,
    "sandbox key": LIVE.replace("live", "test"),
    "gateway's secret": GATEWAY,
    "gateway's header": basic("GW-1234567890ABC", GATEWAY),
    "token": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJVU1ItMSJ9.c2lnbmF0dXJlLW9mLXRoaXM",
}


def heart(secret):
    """The part of it that lets somebody in."""
    return re.split(r"[_ .]", secret)[-1]


class Log:
    """A logger whose lines are kept, with the filter and formatter of the settings."""

    def __init__(self, formatter):
        self._written = io.StringIO()
        self.handler = logging.StreamHandler(self._written)
        self.handler.addFilter(RedactKeys())
        self.handler.setFormatter(formatter)
        self.logger = logging.getLogger("tests.lines")
        self.logger.addHandler(self.handler)

    @property
    def text(self):
        return self._written.getvalue()

    @property
    def lines(self):
        assert self.text.endswith("\n")
        return self.text[:-1].split("\n")

    @property
    def only(self):
        [line] = self.lines
        return json.loads(line)


def _kept(formatter):
    log = Log(formatter)
    yield log
    log.logger.removeHandler(log.handler)


@pytest.fixture
def as_json():
    yield from _kept(JsonLine())


@pytest.fixture
def as_words():
    yield from _kept(Line())


@pytest.fixture
def in_request():
    token = request_id.set("8f14e45f-ceea-467f-a0e6-d5f5d1e1a1b2")
    yield "8f14e45f-ceea-467f-a0e6-d5f5d1e1a1b2"
    request_id.reset(token)


def test_json_tells_when_how_bad_who_and_what(as_json):
    as_json.logger.warning("kid %s of %d", "A" * 16, 3)
    found = as_json.only
    told_at = datetime.fromisoformat(found.pop("time"))
    assert told_at.utcoffset() == UTC.utcoffset(None)
    assert abs((datetime.now(UTC) - told_at).total_seconds()) < 60
    assert found == {
        "level": "WARNING",
        "logger": "tests.lines",
        "message": f"kid {'A' * 16} of 3",
    }


def test_json_tells_the_request_and_what_it_was_given_and_no_more(as_json, in_request):
    asked = RequestFactory().get("/accounts/password/reset/?code=not-for-a-log")
    known = {"door": "authorize", "code": "key_revoked", "kid": "K" * 16, "status": 401}
    as_json.logger.warning("x", extra={**known, "request": asked, "password": "hush"})
    found = as_json.only
    assert {name: found[name] for name in found if name not in ("time", "level", "logger")} == {
        "message": "x",
        "request_id": in_request,
        **known,
    }


@pytest.mark.django_db
def test_in_a_task_its_name_and_id_are_told(as_json, monkeypatch):
    def say(**_how):
        as_json.logger.warning("at work")
        return forget_expired(**_how)

    monkeypatch.setattr("portal.tasks.forget_expired", say)
    ran = forget.apply()
    assert (as_json.only["task"], as_json.only["task_id"]) == ("portal.forget_expired", ran.id)
    assert current_app.current_task is None


def raise_and_tell(log, secret):
    """The secret wherever a line could take it from."""
    try:
        try:
            int(secret)
        except ValueError as inner:
            raise LookupError({"presented": secret}) from inner
    except LookupError:
        log.logger.exception(
            "failed %s", [secret], extra={"path": f"/x/{secret}", "code": {secret: [secret]}}
        )
    log.logger.warning(f"presented {secret}", stack_info=True)  # noqa: G004
    log.logger.warning("%(it)r", {"it": secret})


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_reaches_a_line_of_json(as_json, kind):
    raise_and_tell(as_json, SECRETS[kind])
    assert heart(SECRETS[kind]) not in as_json.text
    first, *others = map(json.loads, as_json.lines)
    assert first["exception"].count("[redacted]") == 2
    assert first["path"].count("[redacted]") == 1
    assert all("[redacted]" in each["message"] for each in (first, *others))


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_reaches_a_line_of_words(as_words, kind):
    raise_and_tell(as_words, SECRETS[kind])
    assert heart(SECRETS[kind]) not in as_words.text
    assert as_words.text.count("[redacted]") == 5


def test_a_traceback_another_handler_made_is_looked_at_too(as_words):
    try:
        int(LIVE)
    except ValueError as error:
        record = logging.LogRecord("x", 30, "", 1, "m", (), (type(error), error, None))
    logging.Formatter().format(record)
    assert LIVE in record.exc_text
    as_words.handler.handle(record)
    assert "ValueError" in as_words.text
    assert LIVE not in as_words.text


HOSTILE = "a\nWARNING portal forged\r\x1b[31m\x00\x85\u2028b"
SHOWN = r"a\nWARNING portal forged\r\x1b[31m\x00\x85\u2028b"


def test_whatever_is_told_no_record_looks_like_two(as_words, in_request):
    as_words.logger.warning("%s", HOSTILE)
    [line] = as_words.lines
    assert line.endswith(f" WARNING tests.lines {SHOWN} [{in_request}]")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", line)


def fail(words):
    raise LookupError(words)


def test_lines_of_a_traceback_are_moved_in(as_words, in_request):
    try:
        fail(HOSTILE)
    except LookupError:
        as_words.logger.exception("failed")
    first, *rest = as_words.lines
    assert first.endswith(f" ERROR tests.lines failed [{in_request}]")
    assert rest[0] == "    Traceback (most recent call last):"
    assert [line for line in rest if not line.startswith("    ")] == []
    assert not set("\r\x1b\x00\x85\u2028") & set(as_words.text)


def test_json_holds_one_record_a_line(as_json):
    as_json.logger.warning("%s", HOSTILE)
    assert as_json.only["message"] == HOSTILE


def test_django_tells_of_a_request_only_what_the_line_of_the_request_does_not():
    told = NotToldTwice()
    plain = logging.LogRecord("django.request", 40, "", 1, "Not Found: /x", (), None)
    failed = logging.LogRecord("django.request", 40, "", 1, "x", (), (ValueError, None, None))
    assert (told.filter(plain), told.filter(failed)) == (False, True)
