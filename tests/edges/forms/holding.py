"""What holders say about their keys."""

from tests.edges.forms.trying import Form, a_form, just_signed_in
from tests.factories import stories
from tests.factories.accounts import PersonFactory
from tests.factories.cases import confirmed_case
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.programs import AgreementVersionFactory
from tests.meta.surface import signed_in


@a_form("credentials:claim")
def claim():
    credential = stories.ready(by=PersonFactory())
    client = just_signed_in(credential.grant.holder)
    address = f"/access/keys/{credential.kid}/claim/"
    return Form(client, address, {"name": ["Workstation"]}, shows="tpk_")


@a_form("credentials:rotate")
def rotate():
    scopes = [stories.STANDARD, stories.ELEVATED]
    credential, _token = make_live_key(grant__holder=PersonFactory(), grant__scopes=scopes)
    fields = {"name": ["Workstation"], "scopes": [stories.STANDARD], "overlap": ["24"]}
    client = just_signed_in(credential.grant.holder)
    return Form(client, f"/access/keys/{credential.kid}/rotate/", fields, shows="tpk_")


@a_form("credentials:make_test_key")
def try_out_key():
    grant = GrantFactory(holder=PersonFactory(), scopes=[stories.STANDARD, stories.ELEVATED])
    fields = {"name": ["Workstation"], "scopes": [stories.STANDARD]}
    address = f"/access/grants/{grant.ref}/test-key/"
    return Form(just_signed_in(grant.holder), address, fields, shows="tpk_")


@a_form("credentials:rename")
def rename_key():
    credential, _token = make_live_key()
    client = signed_in(credential.grant.holder)
    return Form(client, f"/access/keys/{credential.kid}/rename/", {"name": ["Telescope"]})


@a_form("credentials:revoke")
def revoke_own_key():
    credential, _token = make_live_key()
    client = signed_in(credential.grant.holder)
    return Form(client, f"/access/keys/{credential.kid}/revoke/", {"reason": ["key_leaked"]})


@a_form("credentials:case")
def message_about_a_case():
    key = make_live_key()[0]
    case = confirmed_case(stories.responder(), key)
    client = signed_in(key.grant.holder)
    return Form(client, f"/access/cases/{case.ref}/", {"body": ["Was it us?"]})


@a_form("credentials:check")
def check_of_access():
    key = make_live_key()[0]
    fields = {"kid": [key.kid], "scope": key.scopes[:1]}
    client = signed_in(key.grant.holder)
    form = Form(client, "/access/check/", fields, shows="It would be", writes=False, by_get=True)
    form.asks_by = {"kid", "scope"}
    return form


@a_form("terms")
def terms_of_a_release():
    release = stories.open_phase().release
    latest = AgreementVersionFactory(release=release, number=2)
    fields = {"signed_name": ["A. Person"], "sha256": [latest.sha256]}
    return Form(signed_in(PersonFactory()), f"/programmes/{release.slug}/terms/", fields)
