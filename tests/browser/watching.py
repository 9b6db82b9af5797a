"""What browser tests look for on every page, whatever else they test."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

from tests.factories.accounts import make_fresh

_AXE = Axe()
# Preloading style sheets makes axe itself write inline styles, which the page's policy refuses.
_OPTIONS = {"resultTypes": ["violations"], "preload": False}


class Watch:
    """Notes what a page must not do: complain, break its policy, fail, ask another host."""

    def __init__(self, origin: str) -> None:
        self.origin = urlsplit(origin).netloc
        self.complaints: list[str] = []

    def over(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        context.on("request", self._request)
        context.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        # A refused load is noted by _response, which knows what was asked for.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).scheme != "data" and urlsplit(request.url).netloc != self.origin:
            self.complaints.append(f"asked another host: {request.url}")

    def _response(self, response: Response) -> None:
        page = response.request.resource_type == "document"
        if response.status >= (500 if page else 400):
            self.complaints.append(f"{response.status}: {response.url}")


def sign_in(page: Page, user: object) -> None:
    """Sign in by session cookie, as if the sign-in pages had been walked through."""
    client = Client()
    client.force_login(user)
    become(page, client)


def session_of(user: object | None) -> Client:
    """Somebody who proved a moment ago who they are; signed out for None."""
    client = Client()
    if user:
        client.force_login(user)
        make_fresh(client, user)
    return client


def become(page: Page, client: Client) -> None:
    """Go on with the client's session, or signed out when it has none."""
    page.context.clear_cookies()
    if cookie := client.cookies.get(settings.SESSION_COOKIE_NAME):
        page.context.add_cookies(
            [{"name": cookie.key, "value": cookie.value, "domain": "localhost", "path": "/"}]
        )


# Null where there is no axe yet. What else it tells, all that it looked at, nobody reads.
#
# Of a table's rows that differ in their words alone, axe is shown the first and the last; the
# others are hidden meanwhile. Words count as none, one letter or more, for axe says nothing about
# the contrast of one letter. Names of classes count by what they do.
_VIOLATIONS = """async (options) => {
  if (typeof axe === "undefined") return null;
  const words = /^(class|href|id|value|name|title|datetime|aria-label|data-.*)$/;
  const points = /^(for|headers|aria-(labelledby|describedby|controls|owns|details))$/;
  const there = (ids) => ids.split(/\\s+/).map((id) => Boolean(document.getElementById(id)));
  const attribute = ({name, value}) => [name,
    words.test(name) ? Boolean(value.trim()) : points.test(name) ? there(value) : value];
  const written = ({name, value}) => value || name !== "style";  // hiding leaves an empty one
  const style = ({color, backgroundColor, backgroundImage, borderBottom, content, display,
    fontFamily, fontSize, fontWeight, opacity, overflow, position, textDecoration, textIndent,
    visibility}) => [color, backgroundColor, backgroundImage, borderBottom, content, display,
    fontFamily, fontSize, fontWeight, opacity, overflow, position, textDecoration, textIndent,
    visibility];
  const styles = (element) => [null, "::before", "::after"]
    .map((part) => getComputedStyle(element, part))
    .map((found, part) => part && found.content === "none" ? null : style(found));
  const shape = (node) =>
    node.nodeType === Node.TEXT_NODE ? Math.min(node.data.trim().length, 2) :
    node.nodeType !== Node.ELEMENT_NODE ? null :
    [node.tagName, [...node.attributes].filter(written).map(attribute), styles(node),
      node.scrollWidth > node.clientWidth, node.scrollHeight > node.clientHeight,
      node.checked, node.disabled, node === document.activeElement,
      [...node.childNodes].map(shape)];
  const between = [...document.querySelectorAll("tbody")].flatMap((body) => {
    const alike = new Map();
    for (const row of body.rows) {
      const key = JSON.stringify(shape(row));
      alike.set(key, [...(alike.get(key) || []), row]);
    }
    return [...alike.values()].flatMap((rows) => rows.slice(1, -1));
  });
  const before = between.map((row) => row.style.display);
  between.forEach((row) => row.style.display = "none");
  try {
    return (await axe.run(options)).violations;
  } finally {
    between.forEach((row, at) => row.style.display = before[at]);
  }
}"""


def assert_accessible(page: Page, **options: object) -> None:
    """axe finds nothing, by any of its rules unless the options name some."""
    options = {**_OPTIONS, **options}
    violations = page.evaluate(_VIOLATIONS, options)
    if violations is None:
        page.evaluate(_AXE.axe_script)
        violations = page.evaluate(_VIOLATIONS, options)
    found = AxeResults({"violations": violations})
    assert violations == [], f"{page.url}\n{found.generate_report()}"


# How wide the page is; whatever reaches beyond the right edge, except within a frame that scrolls
# by itself; links that are a whole card but lie over the whole page, not over the nearest box.
_MEASURED = """() => {
  const framed = (element) => element && (
    /auto|scroll/.test(getComputedStyle(element).overflowX) || framed(element.parentElement));
  const sticking_out = [...document.body.querySelectorAll("*")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .filter((element) => element.checkVisibility({visibilityProperty: true}))
    .filter((element) => !framed(element.parentElement) && !element.closest(".visually-hidden"))
    .map((element) => element.outerHTML.slice(0, 120));
  const over_all = [...document.querySelectorAll(".cover")]
    .filter((link) => link.offsetParent === document.body).map((link) => link.textContent.trim());
  return [document.documentElement.scrollWidth, sticking_out, over_all];
}"""


def assert_fits(page: Page) -> None:
    """The page does not scroll sideways, and nothing is cut off at its edge or lies over all."""
    wide, sticking_out, over_all = page.evaluate(_MEASURED)
    assert wide <= page.viewport_size["width"], f"{page.url} is {wide} px wide"
    assert sticking_out == [], page.url
    assert over_all == [], page.url


def keep_axe(page: Page) -> None:
    """Have axe there on every page to come: a fifth of what it costs to hand it to one."""
    page.add_init_script(_AXE.axe_script)


def look(page: Page, **options: object) -> None:
    """What every page must pass; keeps a picture where PICTURES names a folder."""
    if folder := os.environ.get("PICTURES"):
        dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        name = urlsplit(page.url).path.strip("/").replace("/", "_") or "home"
        file = f"{name}-{page.viewport_size['width']}-{'dark' if dark else 'light'}.png"
        page.screenshot(path=Path(folder) / file, full_page=True)
    assert_fits(page)
    assert_accessible(page, **options)


def look_each_way(page: Page, *ways: tuple[int, str]) -> None:
    """At each of these widths, in the colour scheme that goes with it; the last one stays."""
    for width, scheme in ways:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        look(page)


def look_every_way(page: Page) -> None:
    """On a wide and a narrow screen, in light and dark. Dark changes nothing but colours."""
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark")
        look(page, runOnly=["color-contrast"])
        page.emulate_media(color_scheme="light")
        look(page)
    page.set_viewport_size({"width": 320, "height": 900})
    assert_fits(page)
    page.set_viewport_size({"width": 1280, "height": 900})
