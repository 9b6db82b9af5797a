"""Every address of the portal, asked by one person after the other, with GET and with POST."""

import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import SimpleCookie

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from accounts.models import Membership, User
from portal.admin_buttons import PublicIds
from portal.applications.models import Application
from portal.credentials.models import Credential, Grant, Revocation
from portal.programs.models import ModelRelease
from tests.factories.accounts import InvitationFactory, PersonFactory
from tests.factories.webhooks import DeliveryFactory, EndpointFactory

SIGNING_IN = re.compile(
    r"^accounts/\^?(login|logout|signup|inactive|confirm-email|password/reset|2fa/authenticate"
    r"|2fa/webauthn/(login|signup)|3rdparty|social|orcid|github|oidc)"
)
# Where Django's admin leads on from addresses of old, to the page that does the refusing.
OLD = re.compile(r"^admin/\w+/\w+/<path:object_id>/$")
# What Django's admin has for each model.
DJANGOS = re.compile(r"_(changelist|add|change|delete|history)$")
# Machines, which prove themselves in their own way; tests/edges/test_gateway.py has them.
MACHINES = re.compile(r"^(\^?oauth|\^?gateway|sandbox)/")
# Where forms are sent, and the page they stand on, which does the refusing.
FORMS = {
    r"(/applications/[^/]+/)messages/": r"\1",
    r"(/access/)grants/[^/]+/keys/": r"\1",
    r"(/accounts/organizations/[^/]+/)(invite/|members/[^/]+/role/)": r"\1",
    r"(/accounts/organizations/[^/]+/webhooks/[^/]+/)(ping|on|off|deliveries/[^/]+/resend)/": r"\1",
    r"(/accounts/)invitations/[^/]+/(resend|withdraw)/": r"\1organizations/",
}
# Where nothing is chosen, one page is not to be found.
CHOSEN = "role=member"
REFUSED = {401, 403, 404, 405}
SIGN_IN = (
    "/accounts/login/",
    "/accounts/sign-in-again/",
    "/accounts/reauthenticate/",
    "/admin/login/",
)


@dataclass(frozen=True)
class Asked:
    """One question and its answer. `name` is the address's own, as urls.py gives it."""

    method: str
    name: str
    address: str
    answer: HttpResponse

    @property
    def is_refused(self):
        signs_in = self._to.startswith(SIGN_IN)
        return self.answer.status_code in REFUSED or signs_in or self.leads_back

    @property
    def leads_back(self):
        """From where a form is sent to the page it stands on, whoever asks."""
        pages = {re.sub(form, page, self.address) for form, page in FORMS.items()}
        return self.method == "GET" and self._to in pages - {self.address}

    @property
    def _to(self):
        return self.answer.headers.get("Location", "")


def ask_everything(person):
    """Everything, by a person who has just signed in; None is nobody."""
    client = _known(person)
    things = {part: name for part, (name, _) in things_and_owners().items()}
    return [
        _ask(client, method, name, filled(name, route, things))
        for name, route in addresses()
        for method in ("GET", "POST")
    ]


def ask_the_admin(superuser):
    """The admin's pages, and what its buttons do; Django's own pages are not sent anything."""
    client, found = _known(superuser), []
    for name, route in addresses():
        if route.startswith("admin/"):
            found.append(_ask(client, "GET", name, filled(name, route, {})))
            if found[-1].is_refused or not DJANGOS.search(name):
                found.append(_ask(client, "POST", name, found[-1].address))
    return found


def ask_for_ones_own():
    """What belongs to somebody, by all to whom something here belongs, until one is let in.

    Those first whose thing the address names.
    """
    found = things_and_owners()
    things = {part: name for part, (name, _) in found.items()}
    clients = {owner: _known(owner) for owner in dict.fromkeys(who for _, who in found.values())}

    def nearest_first(address):
        theirs = {owner for name, owner in found.values() if name in address}
        return [clients[owner] for owner in sorted(clients, key=lambda who: who not in theirs)]

    return [
        answer
        for name, route in addresses()
        if "<" in route and not route.startswith("admin/")
        for method in ("GET", "POST")
        for answer in _until_let_in(nearest_first, method, name, filled(name, route, things))
    ]


def _until_let_in(clients_for, method, name, address):
    for client in clients_for(address):
        asked = _ask(client, method, name, address)
        yield asked
        not_asked_for = asked.answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED
        if not asked.is_refused or asked.leads_back or not_asked_for:
            return


def _ask(client, method, name, address):
    """Ask and take back whatever it did."""
    cookies = client.cookies.output()
    with transaction.atomic():
        form = {"data": CHOSEN, "content_type": "application/x-www-form-urlencoded"}
        answer = client.generic(method, address, **(form if method == "POST" else {}))
        transaction.set_rollback(True)
    # Without the request and the templates: other workers read it.
    plain = HttpResponse(answer.getvalue(), status=answer.status_code, headers=answer.headers)
    client.cookies = SimpleCookie(
        cookies.replace("Set-Cookie: ", "")
    )  # signing out comes to naught
    return Asked(method, name, address, plain)


def signed_in(person):
    """A browser in which this person has just signed in, so that nobody is asked again."""
    client = Client(raise_request_exception=False)
    if person:
        client.force_login(person)
        session = client.session
        session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
        session["account_authentication_methods_user"] = str(person.pk)
        session.save()
    return client


def _known(person):
    """The same, in a session that is noted already: what each page writes is taken back."""
    client = signed_in(person)
    client.get("/.well-known/security.txt")
    return client


def walk(resolver, namespace="", route=""):
    for entry in resolver.url_patterns:
        here = route + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield f"{namespace}{entry.name or here}", here
        else:
            inner = f"{entry.namespace}:" if entry.namespace else ""
            yield from walk(entry, namespace + inner, here)


def addresses():
    return [
        (name, route)
        for name, route in walk(get_resolver())
        if not (MACHINES.match(route) or SIGNING_IN.match(route) or OLD.match(route))
    ]


def people():
    """Who asks for everything, by what they are here."""
    return {
        "nobody": None,
        "stranger": User.objects.create_user("stranger@example.org", name="S"),
        "staff": User.objects.create_user("staff@example.org", name="S", is_staff=True),
        "superuser": User.objects.create_superuser("root@example.org", name="S"),
    }


def things_and_owners():
    """One thing for every kind of reference in a route, each with the person it is for."""
    application = Application.objects.filter(status="in_review").first()
    declined = Application.objects.filter(status="declined").first()
    approved = Application.objects.get(status="approved")
    grant = Grant.objects.filter(status="active", credentials__status="active").first()
    credential = Credential.objects.filter(status="active").first()
    member = Membership.objects.filter(role="member").first()
    owner = Membership.objects.get(role="owner", organization=member.organization).user
    invitation = InvitationFactory(organization=member.organization, invited_by=owner)
    endpoint = EndpointFactory(organization=member.organization, created_by=owner)
    delivery = DeliveryFactory(endpoint=endpoint, dead_at=timezone.now())
    return {
        "appeal": (declined.ref, declined.applicant),
        "applications": (application.ref, application.applicant),
        "offers": (approved.ref, approved.applicant),
        "cases": _case_and_holder(),
        "grants": (grant.ref, grant.holder),
        "kid": (credential.kid, credential.grant.holder),
        "organizations": (member.organization.ref, owner),
        "user_ref": (member.user.ref, owner),
        "endpoint_ref": (endpoint.ref, owner),
        "delivery_ref": (delivery.ref, owner),
        "invitations": (invitation.ref, PersonFactory(email=invitation.email)),
        "slug": (ModelRelease.objects.get().slug, owner),
    }


def _case_and_holder():
    case = Revocation.objects.filter(confirmed_at__isnull=False).first()
    return case.ref, case.items.first().credential.grant.holder


def filled(name, route, things):
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
