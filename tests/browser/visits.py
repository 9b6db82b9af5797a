"""Who is given which page, at which thing of the demo: searched for, address by address."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import get_resolver

from accounts.models import Invitation, User
from portal.admin_buttons import PublicIds
from portal.applications.models import Application
from portal.credentials.models import Revocation
from portal.demo.mailbox import mails
from portal.demo.texts import RELEASE
from portal.webhooks.models import Endpoint
from tests.browser.watching import session_of
from tests.meta.surface import filled, walk

Person = User | None  # nobody: signed out


@dataclass(frozen=True)
class Visit:
    name: str
    address: str
    client: Client


def find_visits(names: Iterable[str], people: Iterable[Person]) -> tuple[list[Visit], set[str]]:
    """One visit for each of the names, and those whose addresses give nobody a page."""
    session, belongings = cache(session_of), cache(_belongings)
    found, none = [], set()
    for name, route in _routes():
        if name in names:
            asked = _candidates(name, route, people, belongings)
            tries = (Visit(name, to, session(who)) for who, to in asked)
            visit = next(filter(_is_page, tries), None)
            found += [visit] if visit else []
            none |= set() if visit else {name}
    return found, none


def all_names() -> set[str]:
    return {name for name, _route in _routes()}


def _routes() -> list[tuple[str, str]]:
    """By name; what has none, and is called by its route, is no page."""
    return sorted({(name, route) for name, route in walk(get_resolver()) if "/" not in name})


def _is_page(visit: Visit) -> bool:
    answer = visit.client.get(visit.address)
    # 401 is what a sign-in that failed elsewhere is answered with: a page as well.
    return answer.status_code in {200, 401} and answer["Content-Type"].startswith("text/html")


def _candidates(
    name: str,
    route: str,
    people: Iterable[Person],
    belongings: Callable[[Person], list[dict[str, str]]],
) -> Iterator[tuple[Person, str]]:
    thing = re.match(r"admin/(\w+)/(\w+)/<path:object_id>", route)
    for person in people:
        if thing:
            for public_id in _ids(*thing.groups()):
                yield person, filled(name, route.replace("<path:object_id>", public_id), {})
        else:
            for things in belongings(person):
                yield person, filled(name, route, things)


def _ids(app_label: str, model_name: str) -> list[str]:
    """Of things that have states first one in each; of others the first and the last."""
    model_admin = next(
        model_admin
        for model, model_admin in admin.site._registry.items()
        if (model._meta.app_label, model._meta.model_name) == (app_label, model_name)
    )
    own = model_admin.public_id if isinstance(model_admin, PublicIds) else "pk"
    things = model_admin.model._base_manager
    if any(field.name == "status" for field in model_admin.model._meta.fields):
        few = [*things.order_by("status", "-pk").distinct("status"), *things.order_by("pk")]
    else:
        few = [things.order_by("pk").first(), things.order_by("pk").last()]
    return [quote(str(getattr(thing, own))) for thing in few]


def _belongings(person: Person) -> list[dict[str, str]]:
    """For every kind of reference in a route one of the person's own, as far as there are any."""
    mail = next(iter(mails()))
    common = {"slug": RELEASE["slug"], "name": mail.name, "kid": "0" * 16}
    common |= dict.fromkeys(("applications", "offers", "grants"), "APP-000000")
    common["cases"] = "CASE-000000"
    common |= dict.fromkeys(("organizations", "user_ref", "invitations"), "nothing")
    if person is None:
        return [common]
    common |= _account(person) | _stopped(person)
    found = [common]
    for application in Application.objects.filter(applicant=person):
        own = dict.fromkeys(("applications", "offers"), application.ref)
        if grant := getattr(application, "grant", None):
            key = grant.credentials.order_by("-pk").first()
            own |= {"grants": grant.ref, "kid": key.kid if key else common["kid"]}
        found.append(common | own)
    return found


def _stopped(person: User) -> dict[str, str]:
    """A case that stopped a key of theirs."""
    of_theirs = {"confirmed_at__isnull": False, "items__credential__grant__holder": person}
    case = Revocation.objects.filter(**of_theirs).first()
    return {"cases": case.ref} if case else {}


def _account(person: User) -> dict[str, str]:
    own = {}
    if place := person.memberships.first():
        colleague = place.organization.memberships.exclude(user=person).first()
        own |= {"organizations": place.organization.ref, "user_ref": colleague.user.ref}
        if endpoint := Endpoint.objects.filter(organization=place.organization).first():
            own["endpoint_ref"] = endpoint.ref
    if invitation := Invitation.objects.filter(email=person.email).last():
        own["invitations"] = invitation.ref
    if passkey := Authenticator.objects.filter(user=person, type="webauthn").first():
        own["pk"] = str(passkey.pk)
    return own
