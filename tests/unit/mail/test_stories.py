"""Every mail to applicants and holders, as it arrives."""

import inspect
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core import mail as outbox
from django.utils import timezone

from portal.applications import notices as to_applicants
from portal.credentials import notices as to_holders
from portal.credentials.mail_words import Theirs
from portal.credentials.models import Credential
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.factories import stories
from tests.factories.accounts import UserFactory

pytestmark = pytest.mark.django_db
WORDS = {"text": "First.\n\nThen <b>second</b> & last.", "final": False, "reason": "key_leaked"}

TO_STAFF = {"credentials/case_answered": "/admin/credentials/revocation/"}


def notices(module):
    """The module's own public functions: one an event."""
    for name, function in vars(module).items():
        own = inspect.isfunction(function) and function.__module__ == module.__name__
        if own and not name.startswith("_"):
            yield function


def about(module):
    holder = UserFactory(name="Ada & Bo")
    if module is to_applicants:
        application = stories.draft(by=holder)
        application.expires_at = timezone.now() + timedelta(days=3)
        return {"application": application}
    slot = stories.ready(by=holder)
    OutgoingMail.objects.all().delete()
    slot.replaces, slot.overlap = Credential(kid="0123456789ABCDEf"), timedelta(hours=24)
    now = timezone.now()
    about = {"credential": slot, "credentials": [slot], "grant": slot.grant, "by": holder}
    bulk = {
        "organization": None,
        "told": [Theirs(holder, slot.grant, [slot.kid], until=now)],
        "case": "CASE-ABCDEFGH",
        "person": holder,
        "to": [holder],
        "held": False,
    }
    return {**about, **bulk, "now": now}


def tell(function, subjects, **words):
    names = inspect.signature(function).parameters
    given = {**subjects, **WORDS, **words}
    function(**{name: given[name] for name in names})
    queued = OutgoingMail.objects.latest("pk")
    OutgoingMail.objects.update(next_attempt_at=timezone.now())  # its turn has come
    assert deliver_mail(mail_id=queued.pk)
    return queued.template, outbox.outbox[-1]


@pytest.mark.parametrize("module", [to_applicants, to_holders])
def test_every_event_has_its_mail_and_every_mail_its_event(module):
    subjects = about(module)
    sent = {}
    for function in notices(module):
        template, message = tell(function, subjects)
        sent[template] = message
    app = module.__name__.split(".")[1]
    folders = Path(settings.BASE_DIR, "templates", "emails", app).iterdir()
    assert set(sent) == {f"{app}/{folder.name}" for folder in folders}
    for template, message in sent.items():
        html = message.alternatives[0].content
        path = "/applications/" if app == "applications" else "/access/"
        path = TO_STAFF.get(template, path)
        link = re.search(rf"{re.escape(settings.BASE_URL + path)}\S*", message.body)[0]
        assert f'href="{link}"' in html, template
        assert "Hello Ada & Bo," in message.body, template
        assert "Hello Ada &amp; Bo," in html, template
        for text in (message.subject, message.body, html):
            assert not re.search(r"{{|{%|None|  \S*tpk_", text), (template, text)


def test_words_from_reviewers_arrive_whole_and_escaped():
    subjects = about(to_applicants)
    for function in (to_applicants.application_declined, to_applicants.application_waitlisted):
        _template, message = tell(function, subjects)
        assert "First.\n\nThen <b>second</b> & last." in message.body
        assert "Then &lt;b&gt;second&lt;/b&gt; &amp; last." in message.alternatives[0].content


def test_a_final_refusal_offers_no_appeal():
    subjects = about(to_applicants)
    bodies = [
        tell(to_applicants.application_declined, subjects, final=final)[1].body
        for final in (False, True)
    ]
    assert ["you can appeal" in body for body in bodies] == [True, False]
