"""Send a form and look at what comes back, and at what it wrote."""

from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import resolve

from tests.edges.forms.pages import Page, lost
from tests.factories.accounts import PASSWORD, StaffFactory
from tests.factories.accounts import sign_in as through_the_front_door
from tests.meta.surface import signed_in
from tests.rows import rows

URLENCODED = "application/x-www-form-urlencoded"


@dataclass
class Form:
    """Where it is sent, by whom, and what an honest person would send.

    `but` names the fields that are not given back on purpose. `shows` are words of a page that is
    the answer to a form taken, where that answer is no redirect. `writes` is false where a form
    taken leaves no row of ours. `file` names the field that is a file, `by_get` is true of a form
    whose fields stand in the address. Without any field of `asks_by` nothing is asked: the page is
    shown.
    """

    client: Client
    address: str
    fields: dict[str, list[str]]
    but: set[str] = field(default_factory=set)
    shows: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    writes: bool = True
    file: str = ""
    by_get: bool = False
    asks_by: set[str] = field(default_factory=set)

    def send(self, fields):
        """Send, and take back whatever it did; of a form refused, the rows there were then."""
        cookies = self.client.cookies.output(header="")
        with transaction.atomic():
            answer = self._sent(fields)
            after = rows()
            transaction.set_rollback(True)
        self.client.cookies = SimpleCookie(cookies)
        return answer, after

    def _sent(self, fields):
        body = urlencode(fields, doseq=True, errors="surrogatepass")
        if self.by_get:
            return self.client.get(f"{self.address}?{body}", headers=self.headers)
        kind = URLENCODED
        if self.file:
            body, kind = _with_file(fields, self.file), MULTIPART_CONTENT
        return self.client.generic("POST", self.address, body, kind, headers=self.headers)

    def posted(self, fields):
        """As the server reads it."""
        sent = {name: each for name, each in fields.items() if name != self.file}
        return QueryDict(urlencode(sent, doseq=True, errors="surrogatepass"))

    def refuses(self, answer):
        taken = self.shows and self.shows in text_of(answer)
        return answer.status_code >= 400 or (answer.status_code == 200 and not taken)


def text_of(answer):
    return answer.getvalue().decode()


def _with_file(fields, name):
    """Each text of the file's field as a file; what cannot be sent as text goes as its bytes."""
    sent = {each: [_bytes(text) for text in texts] for each, texts in fields.items()}
    sent[name] = [SimpleUploadedFile(f"{name}.csv", text) for text in sent.get(name, [])]
    return encode_multipart(BOUNDARY, sent)


def _bytes(text):
    return text.encode("utf-8", "surrogatepass")


FORMS: dict[str, Callable[[], Form]] = {}
ROUTES: dict[str, str] = {}  # of each, as urls.py names it


def a_form(route):
    def keep(make):
        def made():
            form = make()
            form.client.get("/.well-known/security.txt")  # the first page notes the session
            assert resolve(form.address.partition("?")[0]).view_name == route
            return form

        assert make.__name__ not in FORMS
        FORMS[make.__name__], ROUTES[make.__name__] = made, route
        return make

    return keep


def check(form, answer, fields, *, before, after):
    assert answer.status_code < 500
    if not form.refuses(answer):
        return
    assert after == before, "rows were written"
    if answer.headers["Content-Type"].startswith("text/plain"):
        assert text_of(answer).strip()
        return
    page = Page(text_of(answer))
    is_asked = not form.asks_by or form.asks_by & set(form.posted(fields))
    if is_asked and set(form.fields) & {*page.typed, *page.offered}:
        assert page.told, "the form does not say what is wrong"
        assert lost(page, form.posted(fields), but=form.but) == {}
    else:
        assert page.has_heading, "no page for people"


def listed(data):
    return {
        name: [str(each) for each in (value if isinstance(value, list) else [value])]
        for name, value in data.items()
    }


def root():
    return signed_in(StaffFactory(is_superuser=True))


def just_signed_in(person):
    client = through_the_front_door(Client(), person)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client
