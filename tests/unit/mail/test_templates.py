"""Every mail has its three parts and says why it was sent."""

from pathlib import Path

import pytest
from django.conf import settings

from portal.mail.letters import letter

ROOT = Path(settings.BASE_DIR, "templates", "emails")
EVENTS = sorted(str(folder.relative_to(ROOT)) for folder in ROOT.glob("*/*") if folder.is_dir())


def test_there_are_mails():
    assert "accounts/member_invited" in EVENTS


@pytest.mark.parametrize("event", EVENTS)
def test_a_mail_has_subject_text_and_html(event):
    names = sorted(path.name for path in (ROOT / event).iterdir())
    assert names == ["body.html", "body.txt", "subject.txt"]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("part", ["body.txt", "body.html"])
def test_a_mail_says_why(event, part):
    text = (ROOT / event / part).read_text()
    _, found, rest = text.partition("{% block why %}")
    assert (found, rest.strip()[:7]) == ("{% block why %}", "You get"), event


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028"])
def test_a_subject_is_one_line_whatever_a_name_holds(end):
    names = {"release": f"Halcyon{end}Bcc: all@example.org", "grant_ref": "GRT-X"}
    subject = letter("credentials/grant_ended", names).subject
    assert subject == "Your access to Halcyon Bcc: all@example.org has ended"
