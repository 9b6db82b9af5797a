"""The whole demo in order."""

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


def load_demo() -> None:
    """Make everything through the services, but for the sandbox's gateway (portal.demo.files)."""
    calendar = Calendar()
    staff = make_staff(calendar=calendar)
    release = make_programme(calendar=calendar, by=staff["programme_manager"])
    mark_as_demo(release_ref=release.ref, by=SHELL)
    people = make_applicants(calendar=calendar)
    partners = make_organizations(people, calendar=calendar)
    verify_organizations(partners, calendar=calendar, by=staff["reviewer"])
    show_webhooks(partners[0], calendar=calendar)
    play(Cast(staff=staff, calendar=calendar, release=release, waiting=list(people)))
