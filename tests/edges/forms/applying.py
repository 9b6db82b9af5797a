"""What applicants fill in."""

from portal.reviews.services import decline_application
from tests.edges.forms.trying import Form, a_form, listed
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, PersonFactory
from tests.factories.programs import EVERY_KIND, AgreementVersionFactory, ask_every_kind
from tests.meta.surface import signed_in


def writing():
    """A draft that asks a question of every kind, for somebody who belongs somewhere."""
    phase = stories.open_phase()
    ask_every_kind(phase)
    person = MembershipFactory().user
    return stories.draft(phase=phase, by=person), signed_in(person)


def part(name, **fields):
    application, client = writing()
    fields |= {"form.version": [str(application.version)]}
    return Form(client, f"/applications/{application.ref}/{name}/", fields)


@a_form("applications:section")
def answers():
    shown = " ".join(EVERY_KIND)
    return part("section/2", **listed(EVERY_KIND), **{"form.shown": [shown]})


@a_form("applications:section")
def answers_saved_while_typing():
    form = answers()
    form.headers, form.shows = {"HX-Request": "true"}, "form-state"
    return form


@a_form("applications:capabilities")
def capabilities():
    return part("capabilities", scopes=[stories.STANDARD, stories.ELEVATED])


@a_form("applications:organization")
def organization():
    return part("organisation", organization=[""])


@a_form("applications:agreement")
def terms():
    application, client = writing()
    latest = AgreementVersionFactory(release=application.phase.release, number=2)
    fields = {"signed_name": ["A. Person"], "sha256": [latest.sha256]}
    return Form(client, f"/applications/{application.ref}/agreement/", fields)


@a_form("credentials:offer")
def offer():
    application = stories.reviewed()
    latest = AgreementVersionFactory(release=application.phase.release, number=2)
    stories.approve(application)  # with terms unsigned, so that a place is offered
    fields = {"signed_name": ["A. Person"], "sha256": [latest.sha256]}
    return Form(signed_in(application.applicant), f"/access/offers/{application.ref}/", fields)


@a_form("applications:apply")
def apply():
    return Form(signed_in(PersonFactory()), "/apply/", {"phase": [stories.open_phase().ref]})


@a_form("applications:send")
def message():
    application = stories.submitted()
    address = f"/applications/{application.ref}/messages/"
    return Form(signed_in(application.applicant), address, {"body": ["When will you know?"]})


@a_form("applications:appeal")
def appeal():
    application = declined()
    address = f"/applications/{application.ref}/appeal/"
    return Form(signed_in(application.applicant), address, {"text": ["You did not know this."]})


def declined():
    application = stories.reviewed()
    decline_application(
        application_id=application.pk,
        revision=1,
        reason_code="evidence_insufficient",
        text="Too little is said.",
        by=stories.decider(),
    )
    return stories.again(application)
