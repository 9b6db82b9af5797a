"""One settings module, driven by the environment (README.md lists every variable).

Secure by default: nothing below is relaxed unless DEMO or DEBUG asks for it, and a missing or
malformed variable stops start-up with a message that names it.
"""

import json
from pathlib import Path
from typing import Any

import dj_database_url
import dj_email_url
from csp.constants import NONE, SELF
from environs import Env, EnvError

from portal import logs, rates, variables

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env(eager=False)

# --- What kind of run this is ---------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
# A demo on this machine: plain http on loopback, known passwords, mails readable at /demo/mail/.
DEMO = env.bool("DEMO", default=False)
RELAXED = bool(DEBUG or DEMO)


def _in_demo(value: Any) -> dict[str, Any]:
    """A default that holds on this machine only; in production the variable is required."""
    return {"default": value} if RELAXED else {}


# --- What it needs --------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY", validate=variables.long)
SECRET_KEY_FALLBACKS: list[str] = env.list(
    "SECRET_KEY_FALLBACKS", default=[], validate=variables.all_long
)
_database_url = env.str("DATABASE_URL", validate=variables.database)
REDIS_URL = env.str("REDIS_URL", validate=variables.broker)
REDIS_PREFIX = env.str("REDIS_PREFIX", default="portal:")
_raw_peppers = env.str("CREDENTIAL_PEPPERS", validate=variables.peppers)
_raw_signing_keys = env.str("SIGNING_KEYS", validate=variables.signing_keys)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", **_in_demo(["127.0.0.1", "localhost"]), validate=variables.hosts
)
BASE_URL: str = env.str(
    "BASE_URL",
    **_in_demo("http://127.0.0.1:8000"),
    validate=variables.origin if RELAXED else variables.secure_origin,
)
SANDBOX_URL: str = (
    env.str(
        "SANDBOX_URL",
        default="http://127.0.0.1:8001" if RELAXED else "",
        validate=variables.origin_or_nothing,
    )
    or ""
)
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data")) or ".data")
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0, validate=variables.count)
# How old the proof may be that a yes of forward-auth still holds; introspection always asks.
AUTHORIZE_WITHIN = env.float("AUTHORIZE_WITHIN", default=0.0, validate=variables.few_seconds)
# More keys than this die in one case only by somebody who may break the glass, and says why.
REVOCATION_CAP = env.int("REVOCATION_CAP", default=10_000, validate=variables.positive)
# So many keys of a case are written on in one transaction; all are refused from the first on.
REVOCATION_CHUNK = env.int("REVOCATION_CHUNK", default=1000, validate=variables.positive)
MAILS_PER_MINUTE = env.int(
    "MAILS_PER_MINUTE", default=600, validate=variables.positive
)  # of a case
_email_url = env.str("EMAIL_URL", default="smtp://localhost:25", validate=variables.mail_server)
PORTAL_NAME = "Trusted Access"  # as templates write it, too
DEFAULT_FROM_EMAIL = env.str(
    "DEFAULT_FROM_EMAIL",
    default=f"{PORTAL_NAME} <access@localhost>",
    validate=variables.sender,
)
SECURITY_CONTACT = env.str(
    "SECURITY_CONTACT", **_in_demo("mailto:security@localhost"), validate=variables.contact
)
_login_texts = {
    "orcid": env.str("LOGIN_ORCID", default="{}", validate=variables.login_app),
    "github": env.str("LOGIN_GITHUB", default="{}", validate=variables.login_app),
    "institution": env.str(
        "LOGIN_OPENID_CONNECT", default="{}", validate=variables.login_institution
    ),
}
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", default=not RELAXED)
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="", validate=variables.token_or_nothing) or ""
LOG_FORMAT = env.str(
    "LOG_FORMAT", default="line" if RELAXED else "json", validate=variables.log_format
)
# Networks that webhooks may reach besides the open internet; there also over plain http.
_raw_webhook_networks = env.str("WEBHOOK_ALLOWED_NETWORKS", default="", validate=variables.networks)
# Off only in tests that look at a row before any worker could.
DOORBELL = env.bool("DOORBELL", default=True)

try:
    env.seal()
except EnvError as error:
    raise SystemExit(f"Settings: {error}\nREADME.md, Configuration, explains each one.") from None

CREDENTIAL_PEPPERS = variables.read_peppers(_raw_peppers)
SIGNING_KEYS = variables.read_signing_keys(_raw_signing_keys)
WEBHOOK_ALLOWED_NETWORKS = variables.read_networks(_raw_webhook_networks)
_orcid, _github, _institution = (json.loads(text) for text in _login_texts.values())
# Institutions people may sign in with: only those that are configured exist.
_LOGIN_PROVIDERS = {
    name: app
    for name, app in (("orcid", _orcid), ("github", _github), ("openid_connect", _institution))
    if app
}
# A browser follows the sign-in form's redirect only to a host named in the policy.
_LOGIN_HOSTS = [
    *(["https://orcid.org"] if _orcid else []),
    *(["https://github.com"] if _github else []),
    *([variables.sign_in_server(_institution)] if _institution else []),
]

# --- Django ---------------------------------------------------------------------------------
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
FORM_RENDERER = "portal.elements.FormRenderer"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django.forms",
    "portal.apps.PortalAdminConfig",
    "csp",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    *(f"allauth.socialaccount.providers.{provider}" for provider in _LOGIN_PROVIDERS),
    "portal.apps.PortalConfig",
    "portal.mail",
    "portal.audit",
    "accounts",
    "portal.webhooks",
    "portal.programs",
    "portal.applications",
    "portal.credentials",
    "portal.reviews",
    "portal.gateway",
    "portal.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.middleware.RequestIdMiddleware",
    "portal.middleware.AccessMiddleware",
    "portal.gateway.middleware.MachineMiddleware",  # machines go no further than this
    "portal.middleware.NulMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.ReauthenticationMiddleware",
    "accounts.middleware.SeenMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.TimezoneMiddleware",
    "portal.middleware.DomainErrorMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.site",
            ],
        },
    },
]

# --- Database, cache ------------------------------------------------------------------------
_database: dict[str, Any] = dict(dj_database_url.parse(_database_url))
_database.update(ENGINE="django.db.backends.postgresql", CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
_database.setdefault("OPTIONS", {})
_database["OPTIONS"].setdefault("connect_timeout", 3)
# A request that waits longer than this for a row somebody holds had better fail and be retried.
_database["OPTIONS"].setdefault("options", "-c lock_timeout=5s -c statement_timeout=30s")
DATABASES = {"default": _database}

# In PostgreSQL, so that sign-in and its rate limits do not depend on Redis being up.
CACHES = {
    "default": {
        "BACKEND": "portal.cached.Table",
        "LOCATION": "cache",
    }
}

# --- Celery: see docs/adr/0001 and portal.checks for why each of these matters ----------------
_TRANSPORT = {
    "visibility_timeout": 90,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,  # kombu multiplies it with the interval; its default is 10
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "retry_on_timeout": False,
    "max_retries": 1,
    "global_keyprefix": REDIS_PREFIX,
}
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = _TRANSPORT
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = _TRANSPORT
CELERY_VISIBILITY_TIMEOUT = 90
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 30
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Servers of partners may be slow, and so may the mail server: workers of their own wait for each
# (docs/operations.md).
CELERY_TASK_ROUTES = {"webhooks.deliver": {"queue": "webhooks"}, "mail.*": {"queue": "mail"}}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")


def _every(seconds: int, task: str) -> dict[str, Any]:
    """A ring nobody took within its time is void: an hour without workers leaves a few, not
    hundreds. A minute at least, as the clocks of two machines may differ.
    """
    options = {"expires": max(seconds, 60), "headers": {"rung_by": "beat"}}
    return {"task": task, "schedule": seconds, "options": options}


CELERY_BEAT_SCHEDULE = {
    "reconcile-credentials": _every(15, "credentials.reconcile"),
    "reconcile-mail": _every(15, "mail.reconcile"),
    "reconcile-webhooks": _every(15, "webhooks.reconcile"),
    "forget-expired": _every(60, "portal.forget_expired"),
    "expire-applications": _every(3600, "applications.expire"),
}

# --- Security -------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF, *_LOGIN_HOSTS],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
SECURE_SSL_REDIRECT = not RELAXED
SECURE_REDIRECT_EXEMPT = [
    # Probes and gateways may come from inside, over plain http. No machine follows a redirect, and
    # one would protect nothing: the key has been sent by then. Of what is public, somebody who can
    # alter the answer can also swallow the redirect.
    r"^healthz$",
    r"^readyz$",
    r"^metrics$",
    r"^oauth/(introspect|token|revoke)$",
    r"^\.well-known/(jwks\.json|oauth-authorization-server)$",
    r"^gateway/authorize(/|$)",
    r"^gateway/usage$",
]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_HSTS_SECONDS = 0 if RELAXED else 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = not RELAXED
SECURE_HSTS_PRELOAD = not RELAXED
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not RELAXED
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_FAILURE_VIEW = "portal.views.csrf_failure"
CSRF_TRUSTED_ORIGINS = [BASE_URL] if BASE_URL.startswith("https://") else []
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
# A hundred thousand whole keys, with what else a spreadsheet has on their lines.
FILE_UPLOAD_MAX_MEMORY_SIZE = 20_000_000
FILE_UPLOAD_HANDLERS = ["portal.uploads.InMemory"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Alone, so that a wrong password is hashed once.
AUTHENTICATION_BACKENDS = ["accounts.backends.Backend"]

# --- Sign-in (allauth) ----------------------------------------------------------------------
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.NameForm"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of every change to how somebody signs in
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True  # as long as SESSION_COOKIE_AGE says; what matters asks again
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if RELAXED else "https"
ACCOUNT_RATE_LIMITS = rates.ENTRANCES
MFA_ADAPTER = "accounts.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = PORTAL_NAME
# A code typed as its 30 seconds end is still taken (RFC 6238, section 5.2, allows one step back).
MFA_TOTP_TOLERANCE = 1
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = True
# A passkey alone signs in, so the device must have checked who holds it.
MFA_WEBAUTHN_USER_VERIFICATION = "required"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = RELAXED
MFA_FORMS = {
    "add_webauthn": "accounts.passkeys.AddForm",
    "signup_webauthn": "accounts.passkeys.SignupForm",
    "login_webauthn": "accounts.passkeys.LoginForm",
    "reauthenticate_webauthn": "accounts.passkeys.ReauthenticateForm",
}
MFA_RATE_LIMITS = rates.PASSKEYS
USERSESSIONS_TRACK_ACTIVITY = True
SOCIALACCOUNT_ADAPTER = "accounts.adapters.SocialAccountAdapter"
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True
SOCIALACCOUNT_PROVIDERS = {
    name: {"APPS": [app], "OAUTH_PKCE_ENABLED": True} for name, app in _LOGIN_PROVIDERS.items()
}

# --- Mail, files, language, log --------------------------------------------------------------
if DEMO:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = DATA_DIR / "mail"
else:
    vars().update(dj_email_url.parse(_email_url))
EMAIL_TIMEOUT = 10

STATIC_URL = "static/"
# A relaxed run serves the files from where they lie; elsewhere collectstatic gathers them first.
STATIC_ROOT = None if RELAXED else BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if not RELAXED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = RELAXED

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = "portal.formats"

DEFAULT_EXCEPTION_REPORTER_FILTER = "portal.error_reports.ReporterFilter"

LOGGING = logs.to_stderr(LOG_FORMAT)
