"""The strict Content-Security-Policy stands on every page, and no page needs it any weaker."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings

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
@pytest.mark.parametrize("who", ["nobody", "stranger", "superuser", "owners"])
def test_every_page_is_under_the_policy_and_keeps_it(asked, who):
    pages, wrong = 0, {}
    for each in asked(who):
        if _policy(each.answer) != POLICY:
            wrong[each.address] = each.answer.headers.get("Content-Security-Policy")
        if _is_page(each.answer):
            pages += 1
            inline = Inline(each.answer.content.decode()).found
            if inline:
                wrong[each.address] = inline
    assert wrong == {}
    assert pages > 5


def _is_page(answer):
    return answer.get("Content-Type", "").startswith("text/html") and not answer.streaming


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        *("/nowhere", "/accounts/login/", "/healthz", "/oauth/introspect", "/oauth/token"),
        *("/oauth/revoke", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"),
    ],
)
def test_refusals_and_plain_answers_are_under_the_policy(client, address):
    assert _policy(client.get(address)) == POLICY
