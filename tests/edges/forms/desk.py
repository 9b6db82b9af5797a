"""What staff say of applications, people and organisations."""

from portal.reviews.models import ConflictOfInterest
from tests.edges.forms.trying import Form, a_form, listed, root
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory, PersonFactory, UserFactory


def at_desk(verb, application=None, **fields):
    application = application or stories.reviewed()
    address = f"/admin/applications/application/{application.ref}/{verb}/"
    return Form(root(), address, listed(fields))


SCORES = dict.fromkeys(("score_need", "score_safeguards", "score_track_record"), "4")


@a_form("admin:applications_application_review")
def review():
    return at_desk("review", revision=1, recommendation="approve", comment="Sound.", **SCORES)


@a_form("admin:applications_application_approve")
def approve():
    return at_desk("approve", revision=1, scopes=[stories.STANDARD], text="Welcome.")


@a_form("admin:applications_application_decline")
def decline():
    told = {"reason_code": "evidence_insufficient", "text": "Too little."}
    return at_desk("decline", revision=1, may_reapply_from="2030-01-31", **told)


@a_form("admin:applications_application_waitlist")
def waiting_list():
    return at_desk("waitlist", revision=1, text="A place is missing.")


@a_form("admin:applications_application_changes")
def request_changes():
    return at_desk("changes", revision=1, general="Say more.", about_purpose="Which alerts?")


@a_form("admin:applications_application_reply")
def reply():
    return at_desk("reply", body="Which alerts?")


@a_form("admin:applications_application_conflict")
def declare_conflict():
    return at_desk("conflict", kind="real", detail="Kin.")


@a_form("admin:applications_application_take")
def take():
    return at_desk("take", stories.submitted(), holder="")


@a_form("admin:reviews_conflictofinterest_resolve")
def resolve_conflict():
    made = ConflictOfInterest.objects.create(
        application=stories.in_review(), person=UserFactory(), kind="real", detail="Kin."
    )
    address = f"/admin/reviews/conflictofinterest/{made.ref}/resolve/"
    return Form(root(), address, {"resolution": ["recused"]})


@a_form("admin:accounts_organization_record_verification")
def verification():
    address = f"/admin/accounts/organization/{OrganizationFactory().ref}/record_verification/"
    fields = {
        "kind": ["organisation"],
        "source": ["A register"],
        "evidence": ["Seen."],
        "valid_until": ["2030-01-31"],
    }
    return Form(root(), address, fields)


@a_form("admin:accounts_user_set_staff_roles")
def staff_roles():
    address = f"/admin/accounts/user/{PersonFactory().ref}/set_staff_roles/"
    return Form(root(), address, {"roles": ["reviewer", "auditor"]})


@a_form("admin:accounts_user_record_verification")
def verification_of_a_person():
    form = verification()
    form.fields["kind"] = ["identity"]
    form.address = f"/admin/accounts/user/{PersonFactory().ref}/record_verification/"
    return form
