"""From a stranger's sign-up to the refused key, through pages and doors only."""

import argparse
import html
import json
import re
import shlex
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

from django.contrib.auth.models import Group

from portal.applications.models import Application
from portal.credentials.models import Credential, Revocation
from portal.credentials.services import word_of
from portal.demo.mailbox import mails
from portal.redaction import KEY
from tests.factories import stories
from tests.factories.accounts import PASSWORD, StaffFactory
from tests.factories.gateway import basic, make_gateway
from tests.journeys.visitor import Visitor
from tests.processes import free_port, portal_environment, until, web

ADA = "ada@example.org"
REVIEW = {
    "recommendation": "approve",
    "score_need": "4",
    "score_safeguards": "3",
    "score_track_record": "5",
    "comment": "Sound.",
}
KIND_OF_CODE = re.compile(r"^\s*([A-Z]{3,4}-[A-Z]{3,4})\s*$", re.MULTILINE)


@contextmanager
def a_portal():
    """A phase that is open, and portal and sandbox as processes of their own."""
    phase = stories.open_phase()
    gateway, secret = make_gateway(phase.release)
    ports = free_port(), free_port()
    addresses = [f"http://127.0.0.1:{port}" for port in ports]
    credentials = basic(gateway.client_id, secret)
    sandbox = {
        "PORTAL_URL": addresses[0],
        "SANDBOX_GATEWAY_ID": gateway.client_id,
        "SANDBOX_GATEWAY_SECRET": secret,
    }
    env = portal_environment(BASE_URL=addresses[0], SANDBOX_URL=addresses[1], **sandbox)
    with ExitStack() as stack:
        stack.enter_context(web("portal.wsgi:application", env, ports[0]))
        stack.enter_context(web("portal.gateway.sandbox:application", env, ports[1]))
        yield SimpleNamespace(
            address=addresses[0], phase=phase, credentials=credentials, gateway_secret=secret
        )


def mailed(template_words, *, to=ADA):
    """The newest mail to somebody whose subject holds these words, once it is there."""
    found = []

    def arrived():
        found[:] = [mail for mail in mails(to) if template_words.lower() in mail.subject.lower()]
        return found

    until(arrived)
    return found[0]


def code_from_mail():
    """The code that proves that the address is Ada's, once it has come."""
    found = []

    def arrived():
        found[:] = [code[1] for mail in mails(ADA) if (code := KIND_OF_CODE.search(mail.body))]
        return found

    until(arrived)
    return found[0]


def sign_up(portal):
    ada = Visitor(portal.address).get("/accounts/signup/")
    ada.send({"email": ADA, "name": "Ada Lovelace", "password1": PASSWORD})
    ada.send({"code": code_from_mail()})
    assert (ada.status, ada.path) == (200, "/")
    return ada


def apply(portal, ada):
    ada.get(f"/apply/?phase={portal.phase.ref}").send({"phase": portal.phase.ref})
    application = Application.objects.get()
    here = f"/applications/{application.ref}/"
    assert ada.path == here
    ada.get(f"{here}section/1/").send({"purpose": "Triage of alerts."})
    ada.get(f"{here}capabilities/").send({"scopes": [stories.STANDARD, stories.ELEVATED]})
    ada.get(f"{here}agreement/").send({"signed_name": "Ada Lovelace"})
    ada.get(f"{here}check/").send()
    assert (ada.status, ada.path) == (200, here)
    assert stories.again(application).status == "submitted"
    return application


def staff(portal, role):
    person = StaffFactory()
    person.groups.add(Group.objects.get(name=role))
    visitor = Visitor(portal.address).get("/admin/")
    visitor.send({"login": person.email, "password": PASSWORD})
    assert (visitor.status, visitor.path) == (200, "/admin/")
    return visitor


def review_and_approve(portal, application):
    """Two reviewers, as the elevated tier wants; the second approves less than was asked."""
    rosa, ruben = staff(portal, "reviewer"), staff(portal, "reviewer")
    desk = f"/admin/applications/application/{application.ref}/"
    assert application.ref in rosa.get("/admin/applications/application/").text
    rosa.get(f"{desk}take/").send()
    for each in (rosa, ruben):
        each.get(f"{desk}review/").send(REVIEW)
        assert each.status == 200
    ruben.get(f"{desk}approve/").send({"scopes": [stories.STANDARD], "text": "Welcome."})
    assert ruben.status == 200
    assert stories.again(application).status == "granted"


def claim(portal, ada):
    """(the key, the curl line); the first is in that one answer only."""
    key = Credential.objects.get()
    page = f"/access/keys/{key.kid}/claim/"
    assert page in ada.get("/access/").text
    assert ada.get(page).path.startswith("/accounts/reauthenticate/")
    ada.send({"password": PASSWORD})
    assert ada.path == page
    ada.send({"name": "Laboratory machine"})
    assert (ada.status, "no-store" in ada.headers["Cache-Control"]) == (200, True)
    token = KEY.search(ada.text)[0]
    curl = re.search(r'<pre id="curl"[^>]*><code>(.*?)</code>', ada.text, re.DOTALL)[1]
    for again in ("/access/", page, f"/applications/{Application.objects.get().ref}/"):
        assert token not in ada.get(again).text
    return token, html.unescape(curl)


def authorized(portal, token):
    """What `/gateway/authorize` tells a gateway about the key."""
    headers = {
        "X-Gateway-Authorization": portal.credentials,
        "Authorization": f"Bearer {token}",
        "X-Required-Scope": stories.STANDARD,
    }
    asked = urllib.request.Request(f"{portal.address}/gateway/authorize", headers=headers)
    return _answer(asked, read=lambda answer: answer.read())[0]


def run_curl(line):
    """Send what the line on the page would, read as a shell and curl read it; (status, answer)."""
    curl = argparse.ArgumentParser("curl", allow_abbrev=False)
    curl.add_argument("url")
    curl.add_argument("-H", dest="headers", action="append", default=[])
    curl.add_argument("-d", dest="body")
    name, *words = shlex.split(line.replace("\\\n", " "))
    assert name == "curl"
    said = curl.parse_args(words)
    headers = dict(header.split(": ", 1) for header in said.headers)
    asked = urllib.request.Request(said.url, said.body.encode(), headers)
    return _answer(asked, read=json.load)


def _answer(asked, read):
    """(status, what was read of the body), whether it was welcome or not."""
    try:
        answer = urllib.request.urlopen(asked, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, read(answer)


def prove_identity(person):
    """Type the password again where a page wants a fresh sign-in, and come back to it."""
    page = person.path
    person.get(f"/accounts/reauthenticate/?next={page}")
    person.send({"password": PASSWORD})
    assert person.path == page


def revoke_in_bulk(portal, who=ADA):
    responder = staff(portal, "incident_responder")
    responder.get("/admin/credentials/revocation/add/")
    responder.send({"title": "Key leaked", "person": who, "reason": "incident"})
    case = Revocation.objects.get()
    assert case.ref in responder.path
    prove_identity(responder)
    responder.send({"typed_count": "1", "typed_word": word_of(case.digest)})
    assert responder.status == 200
    return case
