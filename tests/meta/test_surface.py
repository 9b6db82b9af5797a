"""Every address, asked by people who have no business there, with GET and with POST."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import URLPattern, get_resolver

from accounts.models import Invitation, Membership, User
from portal.admin_buttons import PublicIds
from portal.applications.models import Application
from portal.credentials.models import Credential, Grant
from portal.programs.models import ModelRelease

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]

REFUSED = {401, 403, 404, 405}
SIGN_IN = (
    "/accounts/login/",
    "/accounts/sign-in-again/",
    "/accounts/reauthenticate/",
    "/admin/login/",
)

# Open to everybody by purpose. Sign-in and its recovery are allauth's, with its own rate limits.
PUBLIC = {
    "healthz",
    "readyz",
    "security_txt",
    "gallery",
    "home",
    "release",
    "terms",
    "applications:apply",
    "demo:mail",
    "demo:message",
    "accounts:sign_in_again",
    "admin:login",
    "admin:logout",
}
SIGNING_IN = re.compile(
    r"^accounts/(login|logout|signup|inactive|confirm-email|password/reset|2fa/authenticate"
    r"|2fa/webauthn/(login|signup)|3rdparty|social|orcid|github|oidc)"
)
# Machines, which prove themselves in their own way; tests/edges/test_gateway.py has them.
MACHINES = re.compile(r"^(\^?oauth|\^?gateway|sandbox)/")
# Where forms are sent, and the page they stand on, which is itself tried here.
FORMS = {
    r"(/applications/[^/]+/)messages/": r"\1",
    r"(/access/)grants/[^/]+/keys/": r"\1",
    r"(/accounts/organizations/[^/]+/)(invite/|members/[^/]+/role/)": r"\1",
    r"(/accounts/)invitations/[^/]+/(resend|withdraw)/": r"\1organizations/",
}
# What any staff may see: an index that lists nothing, and the way out.
ANY_STAFF = {
    "admin:index",
    "admin:login",
    "admin:logout",
    "admin:password_change",
    "admin:password_change_done",
    "admin:jsi18n",
}


def _walk(resolver, namespace="", route=""):
    for entry in resolver.url_patterns:
        here = route + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield f"{namespace}{entry.name}", here
        else:
            inner = f"{entry.namespace}:" if entry.namespace else ""
            yield from _walk(entry, namespace + inner, here)


def _addresses():
    return [
        (name, route)
        for name, route in _walk(get_resolver())
        if not MACHINES.match(route) and not SIGNING_IN.match(route)
    ]


def _things():
    """One thing for every kind of reference in a route, none of them the asker's own."""
    application = Application.objects.filter(status="in_review").first()
    membership = Membership.objects.filter(role="member").first()
    return {
        "applications": application.ref,
        "offers": Application.objects.get(status="approved").ref,
        "grants": Grant.objects.first().ref,
        "kid": Credential.objects.filter(status="active").first().kid,
        "organizations": membership.organization.ref,
        "user_ref": membership.user.ref,
        "invitations": Invitation.objects.first().ref,
        "slug": ModelRelease.objects.get().slug,
    }


def _filled(name, route, things):
    """The route with its parameters replaced by things that exist."""
    if name.startswith("admin:"):
        return _filled_admin(name, route)

    def value(match):
        parameter = match[1].rpartition(":")[2]
        if parameter in things:
            return things[parameter]
        if parameter == "ref":
            return next(things[part] for part in reversed(route.split("/")) if part in things)
        return "1"

    return "/" + re.sub(r"<([^>]+)>", value, route)


def _filled_admin(name, route):
    if name == "admin:app_list":
        return "/admin/accounts/"
    if "(?P<url>" in route:
        return "/admin/nowhere"
    route = route.replace("r/<path:content_type_id>/<path:object_id>", "r/1/1")
    match = re.match(r"admin/(\w+)/(\w+)/<path:object_id>", route)
    if match:
        route = route.replace("<path:object_id>", _object_id(*match.groups()))
    return "/" + re.sub(r"<[^>]+>", "1", route)


def _object_id(app_label, model_name):
    for model, model_admin in admin.site._registry.items():
        if (model._meta.app_label, model._meta.model_name) == (app_label, model_name):
            thing = model._default_manager.first()
            assert thing is not None, f"the demo has no {model_name}"
            own = isinstance(model_admin, PublicIds)
            return quote(str(getattr(thing, model_admin.public_id if own else "pk")))
    raise LookupError(f"{app_label}.{model_name}")


def _sent_away(response, address):
    """To sign in, or on to a page that does the refusing: from an old admin address, or from
    where a form is sent to the page it stands on.
    """
    to = response.headers.get("Location", "")
    on = {f"{address}change/"}
    if response.request["REQUEST_METHOD"] == "GET":
        on |= {re.sub(form, page, address) for form, page in FORMS.items()} - {address}
    return response.status_code == 302 and (to.startswith(SIGN_IN) or to in on)


def _let_through(client, only=lambda name, route: True):
    """What answers with anything but a refusal, as {(method, address): status}."""
    things, found = _things(), {}
    for name, route in _addresses():
        if not only(name, route):
            continue
        address = _filled(name, route, things)
        for method in (client.get, client.post):
            response = method(address)
            if response.status_code not in REFUSED and not _sent_away(response, address):
                found[method.__name__.upper(), name, address] = response.status_code
    return found


def test_anonymous_people_reach_only_what_is_public(client):
    assert _let_through(client, lambda name, route: name not in PUBLIC) == {}


def test_a_stranger_reaches_nobody_s_things_and_no_admin_page(client):
    stranger = User.objects.create_user("stranger@example.org", "a-long-password", name="S")
    client.force_login(stranger)
    with_objects = re.compile(r"<(reference|kid|str):")

    def somebody_s(name, route):
        return name not in PUBLIC and (route.startswith("admin/") or with_objects.search(route))

    assert _let_through(client, somebody_s) == {}


def test_staff_without_a_role_reach_no_admin_page(client):
    staff = User.objects.create_user("staff@example.org", "a-long-password", is_staff=True)
    client.force_login(staff)

    def closed(name, route):
        return route.startswith("admin/") and name not in ANY_STAFF

    assert _let_through(client, closed) == {}


def test_the_search_finds_an_open_door(client):
    found = _let_through(client, lambda name, route: name == "home")
    assert found == {("GET", "home", "/"): 200}
