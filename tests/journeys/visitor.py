"""Somebody with a browser that has no script: follows links, fills in forms, keeps cookies."""

import http.cookiejar
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    action: str
    method: str
    fields: list = field(default_factory=list)  # (name, value), as the page proposes them

    @property
    def names(self):
        return {name for name, _value in self.fields} | self.offered

    offered: set = field(default_factory=set)  # boxes without a tick, too


class _Forms(HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms, self._text, self._select = [], None, None

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form":
            self.forms.append(Form(a.get("action", ""), a.get("method", "get").lower()))
        if not self.forms:
            return
        form = self.forms[-1]
        if tag == "input" and a.get("name"):
            form.offered.add(a["name"])
            boxes = a.get("type") in ("checkbox", "radio")
            if a.get("type") != "file" and (not boxes or "checked" in a):
                form.fields.append((a["name"], a.get("value", "on" if boxes else "")))
        elif tag == "textarea":
            form.offered.add(a["name"])
            self._text = a["name"], []
        elif tag == "select":
            self._select = a["name"]
            form.offered.add(a["name"])
        elif tag == "option" and self._select and "selected" in a:
            form.fields.append((self._select, a.get("value", "")))

    def handle_data(self, data):
        if self._text:
            self._text[1].append(data)

    def handle_endtag(self, tag):
        if tag == "textarea" and self._text:
            self.forms[-1].fields.append((self._text[0], "".join(self._text[1]).strip()))
            self._text = None
        elif tag == "select":
            self._select = None


class _Stopwatch(urllib.request.HTTPRedirectHandler):
    """Notes when the first answer came, before it is followed to the next page."""

    first = None

    def redirect_request(self, *answer):
        self.first = self.first or time.monotonic()
        return super().redirect_request(*answer)


class Visitor:
    """`status`, `path`, `headers` and `text` are those of the page one has come to.

    `took` is how many seconds the form or page asked for took to answer, without what followed.
    """

    def __init__(self, address):
        self.address = address
        self.cookies = http.cookiejar.CookieJar()
        self._watch = _Stopwatch()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies), self._watch
        )
        self.path = "/"

    def twin(self):
        """The same person on the same page, signed in the same way, on a connection of its own."""
        twin = Visitor(self.address)
        for cookie in self.cookies:
            twin.cookies.set_cookie(cookie)
        twin.path, twin.text = self.path, self.text
        return twin

    def get(self, path):
        return self._open(urllib.request.Request(self.address + path))

    def send(self, typed=(), *, to=""):
        """Fill in the form that has these fields (or goes `to`) and press its button."""
        typed = dict(typed)
        form = self._form(set(typed), to)
        values = [(name, value) for name, value in form.fields if name not in typed]
        values += [
            (name, each)
            for name, value in typed.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        target = urllib.parse.urljoin(self.address + self.path, form.action or self.path)
        data = urllib.parse.urlencode(values).encode()
        headers = {"Referer": self.address + self.path}
        return self._open(urllib.request.Request(target, data, headers))

    def words(self):
        return " ".join(re.sub(r"<[^>]+>", " ", self.text).split())

    def _form(self, names, to):
        parser = _Forms()
        parser.feed(self.text)
        found = [
            form
            for form in parser.forms
            if form.method == "post"
            and names <= form.names
            and (form.action or self.path).endswith(to)
        ]
        # Without fields to tell it by, the form that comes back to this very page.
        here = [form for form in found if form.action in ("", self.path)]
        chosen = here if here and not to else found
        assert chosen, f"{self.path} has no form with {sorted(names)} {to}: {self.words()[:500]}"
        return chosen[0]

    def _open(self, request):
        self._watch.first, begun = None, time.monotonic()
        try:
            answer = self._opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        self.took = (self._watch.first or time.monotonic()) - begun
        with answer:
            self.status, self.headers = answer.status, answer.headers
            self.text = answer.read().decode()
            self.path = answer.url.removeprefix(self.address)
        return self
