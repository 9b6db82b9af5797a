"""A real Chromium before a real server, and a page that tolerates no complaint.

    def test_something(open_page, live_server):
        page = open_page(width=360, scheme="dark")
        page.goto(live_server.url + "/gallery/")
        assert_accessible(page)

Where there is no Chromium these tests are skipped, except in CI, where that is a failure.
PICTURES=<folder> keeps a picture of every page that is looked at.
"""

import asyncio
import os
import shutil
from asyncio.events import _set_running_loop
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.watching import Watch, keep_axe

FLAGS = [
    "--no-sandbox",  # root in a container has none
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # A page lives for a second: to keep a process ready for the next one, and to compile scripts
    # to the fastest there is, costs more than it saves.
    "--renderer-process-limit=1",
    "--js-flags=--no-maglev --no-turbofan",
]
# The same engine without a window's trappings costs least.
NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
PATIENCE = 15_000  # milliseconds

OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every browser test needs the database to be seen by the server's thread."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def launched() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """The browser, and the event loop that its driver leaves marked as running in this thread."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found and os.environ.get("CI"):
        pytest.fail("CI has no Chromium: set CHROMIUM or put `chromium` on the PATH.")
    if not found:
        pytest.skip("NO BROWSER TESTS: set CHROMIUM or put `chromium` on the PATH.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        loop = asyncio.get_running_loop()
        _set_running_loop(None)
        yield browser, loop
        _set_running_loop(loop)
        browser.close()
    _set_running_loop(None)


@pytest.fixture
def chromium(
    launched: tuple[Browser, asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Browser]:
    """Marked for as long as a test has the browser: others may want to run a loop of their own."""
    browser, loop = launched
    # Django would refuse the test's own queries under a loop, though nothing here is called from a
    # coroutine, and it opens a second connection, which must be closed before the database can be
    # dropped.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    _set_running_loop(loop)
    yield browser
    connections.close_all()
    _set_running_loop(None)


@pytest.fixture
def open_page(chromium: Browser, live_server: object) -> Iterator[OpenPage]:
    """Open pages at a width and in a colour scheme; afterwards none may have complained."""
    watch = Watch(live_server.url)
    contexts: list[BrowserContext] = []

    def open_one(*, width: int = 1280, scheme: str = "light", javascript: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=javascript,
            base_url=live_server.url,
            reduced_motion="reduce",
            locale="en-GB",
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        watch.over(context)
        page = context.new_page()
        if javascript:
            keep_axe(page)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert watch.complaints == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()
