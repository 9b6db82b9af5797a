"""Nothing that prints a key, or draws it for staff, shows what must stay unseen."""

import base64
import logging
import re

import pytest

from accounts.models import User
from portal.credentials.models import Credential, Reissue, ReissueItem
from portal.credentials.secrets import mint
from portal.credentials.services import preview_revocation
from portal.credentials.targets import Selector
from tests.factories.cases import finished_case
from tests.factories.credentials import make_live_key
from tests.factories.freezes import place
from tests.meta.surface import addresses, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]


def _forms(token, digest):
    """The ways in which a key and its stored hash could be written down."""
    secret = token.rpartition("_")[2]
    return [token, secret, digest.hex(), base64.b64encode(digest).decode(), repr(digest)[2:-1]]


def _shown(text, token, digest):
    return [form for form in _forms(token, digest) if form.lower() in text.lower()]


@pytest.fixture
def key():
    """(credential as the database has it, token, digest)."""
    credential, token = make_live_key()
    again = Credential.objects.get(pk=credential.pk)
    return again, token, bytes(again.digest)


def test_the_search_finds_every_form(key):
    _, token, digest = key
    assert len(_shown(f"{token} {digest.hex()} {digest!r}", token, digest)) == 4
    assert len(_shown(base64.b64encode(digest).decode(), token, digest)) == 1


def _line(message, *arguments):
    """What the log writes for this, by the handler that writes it."""
    (handler,) = [each for each in logging.getLogger().handlers if each.get_name() == "stderr"]
    record = logging.LogRecord("portal", logging.WARNING, "", 1, message, arguments, None)
    assert handler.filter(record)
    return handler.format(record)


def test_printing_and_logging_a_key_shows_no_secret(key):
    credential, token, digest = key
    minted = mint(credential.kid)
    line = _line("%s %r %r %r", credential, credential, [credential], {"key": credential})
    assert line.count(credential.kid) == 4
    assert _shown(f"{line} {credential} {credential!r} {credential.grant!r}", token, digest) == []
    printed = _line("%s %r", minted, [minted])
    assert f"pepper_version={minted.pepper_version}" in printed
    assert _shown(f"{printed} {minted} {minted!r}", minted.token, minted.digest) == []
    assert _shown(_line("presented %s", token), token, digest) == []


def test_no_admin_page_about_keys_shows_a_secret(key):
    credential, token, digest = key
    root = User.objects.create_superuser("root@example.org", name="R")
    selector = Selector(person=credential.grant.holder.ref)
    case = preview_revocation(selector=selector, reason="key_leaked", note="", by=root)
    freeze = place("person", credential.grant.holder.ref, by=root, reason=f"Seen: {token}")
    names = {"credential": credential.kid, "grant": credential.grant.ref, "revocation": case.ref}
    other = finished_case(root, make_live_key(grant=credential.grant)[0])
    reissue = Reissue.objects.create(
        revocation=other, previewed_by=root, digest="0" * 64, expires_at=other.expires_at
    )
    of = {"reissue": reissue, "revocation": other, "grant": credential.grant}
    ReissueItem.objects.create(**of, credential=credential, status="refused", why="It lives.")
    names |= {"freeze": freeze.ref, "reissue": reissue.ref}
    client, named = signed_in(root), set()
    for _, route in addresses():
        match = re.match(r"admin/credentials/(\w+)/", route)
        if match and "content_type" not in route:
            address = "/" + route.replace("<path:object_id>", names[match[1]])
            for answer in (client.get(address), client.post(address, {"q": token}, follow=True)):
                page = b"".join(answer) if answer.streaming else answer.content
                way = getattr(answer, "redirect_chain", [])
                where = f"{page.decode()} {answer.headers} {way}"
                assert _shown(where, token, digest) == [], address
                if credential.kid in where:
                    named.add(match[1])
    assert named == set(names)
