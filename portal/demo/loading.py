"""The whole demo in order."""

from django.contrib.auth.hashers import make_password

from portal.demo import texts
from portal.demo.clock import Calendar
from portal.demo.guard import mark_as_demo
from portal.demo.people import (
    SHELL,
    make_applicants,
    make_organizations,
    make_staff,
    show_webhooks,
    verify_organizations,
)
from portal.demo.programme import make_programme
from portal.demo.story import Cast, play
from portal.gateway.services import register_gateway


def load_demo() -> tuple[str, str]:
    """Make everything through the services. Returns id and secret of the sandbox's gateway."""
    calendar = Calendar()
    hashed = make_password(texts.PASSWORD)  # once: for each of ten it takes as long as all the rest
    staff = make_staff(hashed=hashed, calendar=calendar)
    release = make_programme(calendar=calendar, by=staff["programme_manager"])
    mark_as_demo(release_ref=release.ref, by=SHELL)
    people = make_applicants(hashed=hashed, calendar=calendar)
    partners = make_organizations(people, calendar=calendar)
    verify_organizations(partners, calendar=calendar, by=staff["reviewer"])
    show_webhooks(partners[0], calendar=calendar)
    gateway, secret = register_gateway(
        release_id=release.pk, name="Sandbox", by=staff["programme_manager"], sandbox=True
    )
    play(Cast(staff=staff, calendar=calendar, release=release, waiting=list(people)))
    return gateway.client_id, secret
