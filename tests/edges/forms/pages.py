"""What a page says that answers a form."""

from html.parser import HTMLParser

TELLING = {"errorlist", "errornote", "error", "alert", "notice"}  # classes and roles


class Page(HTMLParser):
    """What stands in the controls of a page, and the words that say what is wrong."""

    def __init__(self, text):
        super().__init__()
        self.typed, self.chosen, self.offered = {}, {}, {}
        self.told, self.has_heading = "", False
        self._inside, self._area, self._select = [], None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        has = dict(attrs)
        marks = {*(has.get("class") or "").split(), has.get("role")}
        if marks & TELLING:
            self._inside.append([tag, 0])
        elif self._inside and self._inside[-1][0] == tag:
            self._inside[-1][1] += 1
        self.has_heading = self.has_heading or tag == "h1"
        draw = getattr(self, f"_draw_{tag}", None)
        if draw:
            draw(has)

    def _draw_textarea(self, has):
        self._area = has.get("name")
        self.typed[self._area] = ""

    def _draw_select(self, has):
        self._select = has.get("name")
        self.offered.setdefault(self._select, set())

    def _draw_option(self, has):
        if self._select:
            self._offer(self._select, has.get("value", ""), "selected" in has)

    def _draw_input(self, has):
        if has.get("type") in {"radio", "checkbox"}:
            self._offer(has.get("name"), has.get("value", "on"), "checked" in has)
        elif has.get("type") not in {"hidden", "password", "file", "submit"}:
            self.typed[has.get("name")] = has.get("value") or ""

    def _offer(self, name, value, is_chosen):
        self.offered.setdefault(name, set()).add(value)
        if is_chosen:
            self.chosen.setdefault(name, set()).add(value)

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._area = None
        if tag == "select":
            self._select = None
        if self._inside and self._inside[-1][0] == tag:
            self._inside[-1][1] -= 1
            if self._inside[-1][1] < 0:
                self._inside.pop()

    def handle_data(self, data):
        if self._area:
            self.typed[self._area] += data
        if self._inside:
            self.told += data.strip()


def lost(page, posted, *, but):
    """What was posted, is asked for on the page, and stands in it no more."""
    gone = {}
    for name in set(posted) - but:
        value = posted.get(name)
        if name in page.typed and plain(page.typed[name]) != plain(value):
            gone[name] = (value, page.typed[name])
        if name in page.offered and value in page.offered[name] - page.chosen.get(name, set()):
            gone[name] = (value, page.chosen.get(name))
    return gone


def plain(text):
    """As a browser sends it back, and without the blanks around it."""
    return text.replace("\r\n", "\n").strip()
