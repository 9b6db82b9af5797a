"""The least a Django view can cost: a constant answer behind startproject's middleware."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

CONSTANT = {"active": True, "scope": "model:infer", "client_id": "0123456789ABCDEf", "exp": 0}

settings.configure(
    SECRET_KEY="floor",  # noqa: S106 - nothing is signed with it
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[  # as `django-admin startproject` writes it
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    DATABASES={},
    USE_TZ=True,
)


@csrf_exempt
def constant(request: HttpRequest) -> JsonResponse:
    """A machine has no token of CSRF's, so the view is exempt; the middleware runs as for any."""
    return JsonResponse(CONSTANT)


DOORS = ("oauth/introspect", "oauth/token", "gateway/authorize", "gateway/snapshot")
urlpatterns = [path(door, constant) for door in (*DOORS, "gateway/status-list")]

application = get_wsgi_application()
