"""Every address that takes a form is tried with bad input (tests/edges/forms), or said why not."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import Resolver404, get_resolver, resolve

from tests.edges.forms import ROUTES
from tests.factories.accounts import StaffFactory
from tests.meta.surface import MACHINES, OLD, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]
WHO = ("nobody", "stranger", "superuser", "owners")


def _names(text):
    return set(text.split())


# A yes; what else is asked stands in the address.
NOTHING_TYPED = _names("""
accounts:invitation accounts:organization accounts:remove_member accounts:resend_invitation
accounts:withdraw_invitation applications:withdraw applications:check credentials:give_up
credentials:request_key webhooks:endpoint webhooks:ping webhooks:switch_on webhooks:switch_off
webhooks:remove webhooks:resend account_logout usersessions_list mfa_deactivate_totp
mfa_generate_recovery_codes mfa_remove_webauthn
admin:accounts_user_suspend admin:accounts_user_reinstate admin:accounts_organization_suspend
admin:accounts_organization_reinstate admin:mail_outgoingmail_retry admin:webhooks_endpoint_disable
admin:programs_modelrelease_publish admin:programs_rolloutphase_halt
admin:programs_rolloutphase_resume admin:credentials_freeze_ask_to_lift
admin:credentials_freeze_lift admin:credentials_freeze_keep admin:credentials_reissue_cancel
admin:credentials_grant_suspend admin:credentials_grant_resume admin:credentials_grant_retry
admin:credentials_grant_allow_new_keys admin:credentials_revocation_contain
admin:credentials_revocation_cancel admin:credentials_revocation_prove
admin:credentials_revocation_pause admin:credentials_revocation_resume
admin:gateway_gateway_rotate admin:gateway_gateway_disable
""")
# Pages, files and signs of life that answer a POST as they answer a GET.
ONLY_READ = _names("""
healthz readyz metrics security_txt gallery admin:index admin:app_list admin:admin/(?P<url>.*)$
admin:view_on_site admin:autocomplete mfa_download_recovery_codes
admin:credentials_reissue_progress
admin:credentials_reissue_export admin:credentials_revocation_progress
admin:credentials_revocation_export admin:credentials_revocation_list
admin:credentials_revocation_list_export admin:credentials_revocation_report
admin:credentials_revocation_doors_export account_inactive account_reset_password_done
account_reset_password_from_key_done socialaccount_login_cancelled socialaccount_login_error
""")
# They lead on to the address that takes the form.
LEAD_ON = _names("""
admin:login admin:logout admin:password_change admin:password_change_done
admin:programs_modelrelease_agreement account_confirm_login_code
accounts/social/login/cancelled/ accounts/social/login/error/ accounts/social/signup/
accounts/social/connections/
""")
# Needs the routes of an institution, which no settings here have; tests/journeys has it.
ELSEWHERE = {"socialaccount_connections"}


def closed_desks():
    """What staff cannot write: Django would take a form there, but lets nobody."""
    request = RequestFactory().get("/")
    request.user = StaffFactory(is_superuser=True)
    for model, desk in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield f"{name}_history"
        if not desk.get_actions(request):
            yield f"{name}_changelist"
        for verb in ("add", "change", "delete"):
            if not getattr(desk, f"has_{verb}_permission")(request):
                yield f"{name}_{verb}"


def refuse_any_post(asked):
    said = {}
    for each in (one for who in WHO for one in asked(who) if one.method == "POST"):
        said.setdefault(each.name, set()).add(each.answer.status_code)
    return {
        name
        for name, statuses in said.items()
        if statuses <= {302, 403, 404, 405} and 405 in statuses
    }


def test_every_address_that_takes_a_form_is_tried_or_excused(asked):
    all_of_them = {
        name
        for name, route in walk(get_resolver())
        if not (MACHINES.match(route) or OLD.match(route))
    }
    excused = NOTHING_TYPED | ONLY_READ | LEAD_ON | ELSEWHERE
    tried = set(ROUTES.values())
    assert all_of_them - refuse_any_post(asked) - tried - excused - {*closed_desks()} == set()
    assert (tried | excused) - all_of_them == set()
    assert tried & excused == set()


class Forms(HTMLParser):
    """The forms of a page that are posted, each with the names somebody fills in."""

    def __init__(self, text):
        super().__init__()
        self.posted, self._open = [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        has = dict(attrs)
        if tag == "form":
            self._open = set()
            if (has.get("method") or "").lower() == "post":
                self.posted.append((has.get("action") or "", self._open))
        is_typed = has.get("type") not in {"hidden", "submit"} and has.get("name")
        if self._open is not None and tag in {"input", "select", "textarea"} and is_typed:
            self._open.add(has["name"])

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = None


def test_nothing_is_filled_in_where_nothing_is_tried(asked):
    """As the pages show it."""
    pages = [one for who in WHO for one in asked(who) if one.answer.status_code == 200]
    filled = {
        (_route(urljoin(page.address, action)), tuple(sorted(names)))
        for page in pages
        if page.answer.headers["Content-Type"].startswith("text/html")
        for action, names in Forms(page.answer.content.decode()).posted
        if names
    }
    assert ("accounts:profile", ("name", "time_zone")) in filled
    untried = {name for name, _names in filled} - {*ROUTES.values()}
    assert untried <= {"gallery"}, filled


def _route(address):
    try:
        return resolve(re.split("[?#]", address)[0]).view_name
    except Resolver404:
        return address
