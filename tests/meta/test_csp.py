"""The strict Content-Security-Policy stands on every page, and no page needs it any weaker."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from tests.meta.test_surface import _addresses, _filled, _things

POLICY = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'none'"],
    "manifest-src": ["'self'"],
}
# Mails are read in mail readers, which load no style sheet and heed no policy.
TEMPLATES = [
    path
    for path in sorted((Path(settings.BASE_DIR) / "templates").rglob("*.html"))
    if "emails" not in path.parts
]


class Inline(HTMLParser):
    """Collects what the policy would refuse to run or to draw."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        data = given.get("type") in {"application/json", "importmap"}
        if tag == "style" or (tag == "script" and "src" not in given and not data):
            self.found.append(tag)
        for name, value in attrs:
            script = name.startswith(("on", "hx-on")) or (value or "").startswith("javascript:")
            if name == "style" or script:
                self.found.append(name)


def _policy(response):
    parts = response.headers["Content-Security-Policy"].split(";")
    return {name: sources for name, *sources in map(str.split, parts)}


def test_inline_things_are_found():
    planted = (
        "<style></style><script>1</script><b style='x'></b><a onclick='1'></a>"
        "<a href='javascript:1'></a><b hx-on:click='1'></b>"
        "<script src='/a.js'></script><script type='application/json'>{}</script>"
    )
    assert Inline(planted).found == ["style", "script", "style", "onclick", "href", "hx-on:click"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_nothing_inline(path):
    source = re.sub(r"{%.*?%}|{#.*?#}|{{.*?}}", "", path.read_text(), flags=re.DOTALL)
    assert Inline(source).found == []


def test_nothing_weakens_the_policy():
    weak = re.compile(r"csp_(exempt|update|replace)|CSP_NONCE|unsafe-(inline|eval)")
    sources = [
        path
        for app in ("accounts", "portal")
        for path in (Path(settings.BASE_DIR) / app).rglob("*.py")
        if weak.search(path.read_text())
    ]
    assert sources == []


@pytest.mark.django_db
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("who", ["nobody", "person", "staff"])
def test_every_page_is_under_the_policy_and_keeps_it(client, who):
    if who != "nobody":
        staff = who == "staff"
        person = User.objects.create_user("x@example.org", is_staff=staff, is_superuser=staff)
        client.force_login(person)
    things, pages, wrong = _things(), 0, {}
    for name, route in _addresses():
        address = _filled(name, route, things)
        response = client.get(address)
        if _policy(response) != POLICY:
            wrong[address] = response.headers.get("Content-Security-Policy")
        if response.get("Content-Type", "").startswith("text/html") and not response.streaming:
            pages += 1
            inline = Inline(response.content.decode()).found
            if inline:
                wrong[address] = inline
    assert wrong == {}
    assert pages > 5


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", ["/nowhere", "/accounts/login/", "/healthz", "/oauth/introspect"]
)
def test_refusals_and_plain_answers_are_under_the_policy(client, address):
    assert _policy(client.get(address)) == POLICY
