"""What staff say who end access, stop it, and give it again."""

from django.contrib.auth import get_user

from portal.credentials.services import preview_revocation, write_about_case
from portal.credentials.targets import Selector
from tests.edges.forms.trying import Form, a_form, listed, root
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory, PersonFactory, make_fresh
from tests.factories.cases import (
    confirmed_case,
    finished_case,
    preview_reissue,
    start_reissue,
    typed,
)
from tests.factories.credentials import make_live_key


@a_form("admin:credentials_revocation_add")
def revocation():
    credential, _token = make_live_key()
    grant = credential.grant
    fields = {
        "title": ["Keys in a dump"],
        "severity": ["high"],
        "kids": [credential.kid],
        "reason": ["key_leaked"],
        "note": ["Seen."],
        "release": [grant.phase.release.ref],
        "phase": [grant.phase.ref],
        "capability": grant.scopes,
        "organization": [""],
        "person": [""],
        "application": [""],
        "reviewer": [""],
        "issued_from": [""],
        "issued_until": [""],
        "used_from": [""],
        "used_until": [""],
        "exclusions": [""],
    }
    # What is no id may be a secret, so it is taken out.
    return Form(root(), "/admin/credentials/revocation/add/", fields, but={"kids"})


@a_form("admin:credentials_revocation_confirm")
def revocation_confirmed():
    credential, _token = make_live_key()
    case = preview_revocation(
        selector=Selector(kids=credential.kid),
        reason="key_leaked",
        note="",
        by=stories.responder(),
    )
    address = f"/admin/credentials/revocation/{case.ref}/confirm/"
    return Form(fresh_root(), address, confirming(case))


@a_form("admin:credentials_credential_revoke")
def revoke_a_key():
    credential, _token = make_live_key()
    address = f"/admin/credentials/credential/{credential.kid}/revoke/"
    return Form(root(), address, {"reason": ["key_leaked"]})


@a_form("admin:credentials_revocation_add")
def revocation_of_a_file():
    form = revocation()
    form.fields |= {"file": form.fields.pop("kids"), "kids": [""]}
    form.file = "file"
    return form


@a_form("admin:credentials_revocation_count")
def keys_counted():
    form = revocation()
    form.address = "/admin/credentials/revocation/count/"
    form.headers, form.shows, form.writes = {"HX-Request": "true"}, 'role="status"', False
    return form


@a_form("admin:credentials_revocation_answers")
def lines_answered():
    form = revocation()
    form.address = "/admin/credentials/revocation/answers.csv"
    form.shows, form.writes = "line,", False
    return form


@a_form("admin:credentials_revocation_approve")
def revocation_approved():
    key, by = critical_key(), stories.responder()
    case = confirmed_case(by, key)
    address = f"/admin/credentials/revocation/{case.ref}/approve/"
    return Form(fresh_root(), address, confirming(case))


def critical_key():
    """Whatever concerns it takes two people."""
    key = make_live_key()[0]
    key.grant.phase.release.capabilities.update(tier="critical")
    return key


def confirming(thing):
    return listed(typed(thing))


def fresh_root():
    client = root()
    make_fresh(client, get_user(client))
    return client


@a_form("admin:credentials_revocation_answers")
def answer_to_a_partner():
    key, by = make_live_key()[0], stories.responder()
    case, holder = confirmed_case(by, key), key.grant.holder
    asked = write_about_case(revocation_id=case.pk, body="Was it us?", by=holder)
    fields = {"body": ["No."], "who": [holder.ref], "seen": [asked.ref], "act": ["reply"]}
    return Form(root(), f"/admin/credentials/revocation/{case.ref}/answers/", fields)


@a_form("admin:credentials_revocation_reissue")
def reissue():
    partner = OrganizationFactory()
    key = make_live_key(grant__organization=partner)[0]
    case = finished_case(stories.responder(), key)
    fields = {"chosen": [partner.ref], "exclusions": [""], "note": ["The dump is gone."]}
    return Form(root(), f"/admin/credentials/revocation/{case.ref}/reissue/", fields)


@a_form("admin:credentials_reissue_confirm")
def reissue_confirmed():
    by = stories.responder()
    made = preview_reissue(finished_case(by, make_live_key()[0]), by, note="The dump is gone.")
    return Form(fresh_root(), f"/admin/credentials/reissue/{made.ref}/confirm/", confirming(made))


@a_form("admin:credentials_reissue_approve")
def reissue_approved():
    by = stories.responder()
    case = finished_case(by, critical_key(), second=stories.responder())
    made = start_reissue(preview_reissue(case, by, note="The dump is gone."), by)
    return Form(fresh_root(), f"/admin/credentials/reissue/{made.ref}/approve/", confirming(made))


@a_form("admin:credentials_grant_revoke")
def revoke_a_grant():
    address = f"/admin/credentials/grant/{make_live_key()[0].grant.ref}/revoke/"
    return Form(root(), address, {"reason": ["key_leaked"]})


@a_form("admin:credentials_freeze_add")
def freeze_chosen():
    fields = {"level": ["person"], "text": [PersonFactory().ref]}
    return Form(
        root(), "/admin/credentials/freeze/add/", fields, shows="Which of these", writes=False
    )


@a_form("admin:credentials_freeze_add")
def freeze_placed():
    address = f"/admin/credentials/freeze/add/?level=person&target={PersonFactory().ref}"
    return Form(root(), address, {"reason": ["Seen in a dump."]})


def ticked(address, thing, action):
    """Rows of a list, and what is done to them: it opens the page of a case, filled in."""
    fields = {"_selected_action": [str(thing.pk)], "action": [action], "index": ["0"]}
    fields["select_across"] = ["0"]
    form = Form(root(), f"/admin/{address}/", fields, shows="Revoke many keys", writes=False)
    form.asks_by = {"index"}
    return form


@a_form("admin:credentials_credential_changelist")
def keys_ticked():
    return ticked("credentials/credential", make_live_key()[0], "revoke_selected")


@a_form("admin:credentials_grant_changelist")
def grants_ticked():
    return ticked("credentials/grant", make_live_key()[0].grant, "revoke_selected")


@a_form("admin:accounts_organization_changelist")
def organizations_ticked():
    partner = make_live_key(grant__organization=OrganizationFactory())[0].grant.organization
    return ticked("accounts/organization", partner, "revoke_keys_of_selected")


@a_form("admin:programs_rolloutphase_changelist")
def phases_ticked():
    phase = make_live_key()[0].grant.phase
    return ticked("programs/rolloutphase", phase, "revoke_keys_of_selected")


def sought(model, **fields):
    return Form(root(), f"/admin/credentials/{model}/find/", listed(fields), writes=False)


@a_form("admin:credentials_credential_find")
def key_sought():
    return sought("credential", q="Polar", status="live", kind="live", expires="7", phase="")


@a_form("admin:credentials_grant_find")
def grant_sought():
    return sought("grant", q="Polar", status="open", organization="")


@a_form("admin:credentials_freeze_find")
def freeze_sought():
    return sought("freeze", q="Polar", level="person", standing="in_force")


@a_form("admin:credentials_revocation_find")
def case_sought():
    return sought("revocation", q="Polar", status="previewed", rehearsal="0", contained="1")


@a_form("admin:credentials_reissue_find")
def reissue_sought():
    return sought("reissue", q="Polar", status="previewed")


@a_form("admin:programs_modelrelease_changelist")
def releases_ticked():
    release = make_live_key()[0].grant.phase.release
    return ticked("programs/modelrelease", release, "revoke_keys_of_selected")
