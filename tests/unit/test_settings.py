"""The environment is read once, at the start: what is missing or malformed is named, and nothing
is relaxed unless it is asked for.
"""

import base64
import runpy

import pytest
from django.conf import settings

from portal import variables

SEED = base64.urlsafe_b64encode(b"\xfb" * 32).decode().rstrip("=")
OTHER_SEED = base64.urlsafe_b64encode(b"y" * 32).decode().rstrip("=")
GIVEN = {
    "SECRET_KEY": "not-secret-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG",
    "CREDENTIAL_PEPPERS": "1:" + base64.urlsafe_b64encode(b"x" * 32).decode(),
    "SIGNING_KEYS": f"a:{SEED}",
    "DATABASE_URL": "postgres://portal:word@db.example.org:5432/portal",
    "REDIS_URL": "redis://:word@redis.example.org:6379/0",
    "ALLOWED_HOSTS": "portal.example.org",
    "BASE_URL": "https://portal.example.org",
    "SECURITY_CONTACT": "mailto:security@portal.example.org",
}
OPTIONAL = [
    "AUTHORIZE_WITHIN",
    "DEMO",
    "DEBUG",
    "DATA_DIR",
    "DEFAULT_FROM_EMAIL",
    "DOORBELL",
    "EMAIL_URL",
    "LOG_FORMAT",
    "MAILS_PER_MINUTE",
    "METRICS_TOKEN",
    "REVOCATION_CAP",
    "REVOCATION_CHUNK",
    "SANDBOX_URL",
    "SECRET_KEY_FALLBACKS",
    "STAFF_MFA_REQUIRED",
    "TRUSTED_PROXY_COUNT",
    "WEBHOOK_ALLOWED_NETWORKS",
]


@pytest.fixture
def start(monkeypatch):
    """start(NAME=text, OTHER=None): the settings that come of it; None takes a variable away."""

    def read(**changed):
        for name in (*GIVEN, *OPTIONAL):
            monkeypatch.delenv(name, raising=False)
        for name, value in (GIVEN | changed).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return runpy.run_path(str(settings.BASE_DIR / "portal" / "settings.py"))

    return read


def complaint(start, **changed):
    """The names of the variables that stopped the start."""
    with pytest.raises(SystemExit) as ended:
        start(**changed)
    text = str(ended.value)
    assert "README.md" in text
    return [name for name in (*GIVEN, *OPTIONAL) if f"'{name}':" in text]


def test_what_the_readme_requires_is_enough(start):
    found = start()
    assert found["DATABASES"]["default"]["HOST"] == "db.example.org"
    assert (found["DATABASES"]["default"]["NAME"], found["EMAIL_HOST"]) == ("portal", "localhost")
    assert found["CELERY_BROKER_URL"] == GIVEN["REDIS_URL"]


@pytest.mark.parametrize("name", GIVEN)
def test_a_missing_one_is_named(start, name):
    assert complaint(start, **{name: None}) == [name]


def test_all_that_are_missing_are_named_at_once(start):
    assert complaint(start, **dict.fromkeys(GIVEN)) == list(GIVEN)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("CREDENTIAL_PEPPERS", "nonsense"),
        ("CREDENTIAL_PEPPERS", "1:c2hvcnQ="),
        ("CREDENTIAL_PEPPERS", ""),
        ("CREDENTIAL_PEPPERS", f"1:{SEED},"),
        ("CREDENTIAL_PEPPERS", f"1:{SEED},1:{OTHER_SEED}"),
        ("CREDENTIAL_PEPPERS", f"1:{SEED},01:{OTHER_SEED}"),
        ("CREDENTIAL_PEPPERS", f"1:!{SEED}"),
        ("CREDENTIAL_PEPPERS", f"1:{SEED[:20]} {SEED[20:]}"),
        ("CREDENTIAL_PEPPERS", f"0:{SEED}"),
        ("CREDENTIAL_PEPPERS", f"-1:{SEED}"),
        ("CREDENTIAL_PEPPERS", f"32768:{SEED}"),
        ("CREDENTIAL_PEPPERS", f"one:{SEED}"),
        ("SECRET_KEY_FALLBACKS", "short"),
        ("SECRET_KEY_FALLBACKS", f"{'k' * 50},{'k' * 49}"),
        ("SIGNING_KEYS", ""),
        ("SIGNING_KEYS", "nonsense"),
        ("SIGNING_KEYS", "a:c2hvcnQ"),
        ("SIGNING_KEYS", f":{SEED}"),
        ("SIGNING_KEYS", f"a b:{SEED}"),
        ("SIGNING_KEYS", f"-a:{SEED}"),
        ("SIGNING_KEYS", f"{'a' * 33}:{SEED}"),
        ("SIGNING_KEYS", f"a:!{SEED}"),
        ("SIGNING_KEYS", f"a:{SEED}AAAA"),
        ("SIGNING_KEYS", f"a:{SEED},"),
        ("SIGNING_KEYS", f"a:{SEED},a:{OTHER_SEED}"),
        ("SIGNING_KEYS", f"a:{SEED},b:{SEED}"),
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://user@host/name"),
        ("DATABASE_URL", "postgres://user@host:port/name"),
        ("DATABASE_URL", "postgres://user@host"),
        ("REDIS_URL", ""),
        ("REDIS_URL", "nonsense"),
        ("REDIS_URL", "amqp://host/0"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://host/first"),
        ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "a.example.org,,b.example.org"),
        ("BASE_URL", ""),
        ("BASE_URL", "nonsense"),
        ("BASE_URL", "portal.example.org"),
        ("BASE_URL", "http://portal.example.org"),
        ("BASE_URL", "https://portal.example.org/"),
        ("BASE_URL", "https://portal.example.org/portal"),
        ("SANDBOX_URL", "nonsense"),
        ("EMAIL_URL", "nonsense"),
        ("EMAIL_URL", "http://mail.example.org"),
        ("EMAIL_URL", "smtp://mail.example.org:port"),
        ("DEFAULT_FROM_EMAIL", ""),
        ("DEFAULT_FROM_EMAIL", "no address"),
        ("DEFAULT_FROM_EMAIL", "Trusted Access <access>"),
        ("DEFAULT_FROM_EMAIL", "a@example.org, b@example.org"),
        ("DEFAULT_FROM_EMAIL", "Access\r\nBcc: x@example.org <access@example.org>"),
        ("DEFAULT_FROM_EMAIL", "access@example.org\n"),
        ("SECURITY_CONTACT", ""),
        ("SECURITY_CONTACT", "nonsense"),
        ("SECURITY_CONTACT", "security@example.org"),
        ("SECURITY_CONTACT", "mailto:security"),
        ("SECURITY_CONTACT", "http://example.org/security"),
        ("SECURITY_CONTACT", "https://"),
        ("SECURITY_CONTACT", "javascript:alert(1)"),
        ("SECURITY_CONTACT", "mailto:a@example.org\nContact: mailto:b@example.org"),
        ("SECURITY_CONTACT", "https://example.org/security\r\nExpires: never"),
        ("SECURITY_CONTACT", "https://example.org/security\n"),
        ("AUTHORIZE_WITHIN", "6"),
        ("AUTHORIZE_WITHIN", "-0.5"),
        ("AUTHORIZE_WITHIN", "nan"),
        ("AUTHORIZE_WITHIN", "soon"),
        ("REVOCATION_CAP", "0"),
        ("REVOCATION_CAP", "many"),
        ("REVOCATION_CHUNK", "0"),
        ("REVOCATION_CHUNK", "1.5"),
        ("MAILS_PER_MINUTE", "0"),
        ("MAILS_PER_MINUTE", "-600"),
        ("WEBHOOK_ALLOWED_NETWORKS", "localhost"),
        ("WEBHOOK_ALLOWED_NETWORKS", "10.1.0.0/16,10.1.0.1/16"),
        ("TRUSTED_PROXY_COUNT", "-3"),
        ("TRUSTED_PROXY_COUNT", "two"),
        ("STAFF_MFA_REQUIRED", "perhaps"),
        ("DEBUG", "perhaps"),
        ("DEMO", "perhaps"),
        ("DOORBELL", "perhaps"),
        ("METRICS_TOKEN", "t" * 31),
        ("METRICS_TOKEN", "two words, and more than enough characters"),
        ("METRICS_TOKEN", "t" * 32 + "\n"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_malformed_one_is_named(start, name, value):
    assert complaint(start, **{name: value}) == [name]


def test_signing_keys_keep_their_order_and_a_fresh_one_is_like_them(start):
    fresh = variables.new_signing_key()
    found = start(SIGNING_KEYS=f"b:{OTHER_SEED}, {fresh},a:{SEED}")["SIGNING_KEYS"]
    assert [each.kid for each in found] == ["b", fresh.partition(":")[0], "a"]
    assert (found[0].seed, found[2].seed) == (b"y" * 32, b"\xfb" * 32)
    assert len(found[1].seed) == 32
    assert variables.new_signing_key() != fresh


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGNING_KEYS", f"a:{SEED}AAAA"),
        ("SIGNING_KEYS", f"a:{SEED},b:{SEED}"),
        ("CREDENTIAL_PEPPERS", f"1:!{SEED}"),
        ("CREDENTIAL_PEPPERS", f"1:{SEED},1:{SEED}"),
        ("SECRET_KEY", SEED),
        ("SECRET_KEY_FALLBACKS", SEED),
    ],
)
def test_a_complaint_about_a_secret_does_not_quote_it(start, name, value):
    with pytest.raises(SystemExit) as ended:
        start(**{name: value})
    assert name in str(ended.value)
    assert SEED[:8] not in str(ended.value)


def test_every_variable_that_can_be_malformed_is_tried_above():
    [mark] = test_a_malformed_one_is_named.pytestmark
    tried = {name for name, _value in mark.args[1]}
    assert {*GIVEN, *OPTIONAL} - tried == {"DATA_DIR"}  # any text is a folder's name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGNING_KEYS", f"20260601-0a1b2c3d:{SEED}, b_2:{OTHER_SEED}="),
        ("CREDENTIAL_PEPPERS", f"1:{SEED}, 32767:{OTHER_SEED}="),
        ("SECRET_KEY_FALLBACKS", ""),
        ("SECRET_KEY_FALLBACKS", f"{'k' * 50},{'l' * 50}"),
        ("DEFAULT_FROM_EMAIL", "access@example.org"),
        ("DEFAULT_FROM_EMAIL", "Zugang für Partner <access@mail>"),
        ("DEFAULT_FROM_EMAIL", '"Access, Trusted" <access@example.org>'),
        ("SECURITY_CONTACT", "mailto:security@example.org?subject=portal"),
        ("SECURITY_CONTACT", "https://example.org/security"),
        ("WEBHOOK_ALLOWED_NETWORKS", "10.1.0.0/16, fd00::/8"),
        ("AUTHORIZE_WITHIN", "5"),
        ("DATABASE_URL", "postgresql://user@%2Frun%2Fpostgresql/name"),
        ("REDIS_URL", "rediss://host"),
        ("ALLOWED_HOSTS", "a.example.org, b.example.org"),
        ("BASE_URL", "https://portal.example.org:8443"),
        ("SANDBOX_URL", ""),
        ("SANDBOX_URL", "https://sandbox.example.org"),
        ("EMAIL_URL", "smtp://user:word@mail.example.org:587?tls=True"),
        ("TRUSTED_PROXY_COUNT", "2"),
        ("METRICS_TOKEN", ""),
        ("METRICS_TOKEN", "Az09-._~+/" * 4 + "=="),
    ],
)
def test_what_is_well_formed_starts(start, name, value):
    assert start(**{name: value})["BASE_DIR"] == settings.BASE_DIR


GUARDS = {
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 365 * 24 * 3600,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "STAFF_MFA_REQUIRED": True,
    "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": False,
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "DEBUG": False,
    "DEMO": False,
}


@pytest.mark.parametrize("off", [{}, {"DEMO": "0"}, {"DEBUG": "false"}])
def test_nothing_is_relaxed_unless_asked_for(start, off):
    found = start(**off)
    assert {name: found[name] for name in GUARDS} == GUARDS


def test_a_demo_needs_neither_hosts_nor_an_address_and_is_relaxed(start):
    found = start(DEMO="1", ALLOWED_HOSTS=None, BASE_URL=None)
    assert (found["ALLOWED_HOSTS"], found["BASE_URL"]) == (
        ["127.0.0.1", "localhost"],
        "http://127.0.0.1:8000",
    )
    assert (found["SECURE_SSL_REDIRECT"], found["STAFF_MFA_REQUIRED"]) == (False, False)


@pytest.mark.parametrize(
    ("given", "format_"),
    [
        ({}, "json"),
        ({"DEMO": "1"}, "line"),
        ({"DEBUG": "1"}, "line"),
        ({"LOG_FORMAT": "line"}, "line"),
        ({"LOG_FORMAT": "json", "DEMO": "1"}, "json"),
    ],
)
def test_lines_are_for_machines_in_production_and_for_people_in_a_demo(start, given, format_):
    assert start(**given)["LOGGING"]["handlers"]["stderr"]["formatter"] == format_
