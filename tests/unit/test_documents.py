"""What the documents say that a machine can look up: variables, files, headings."""

import re

import pytest
from django.conf import settings

from portal.metrics.folder import VARIABLE

ROOT = settings.BASE_DIR
PAGES = [ROOT / "README.md", ROOT / "verifier" / "README.md", *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def test_the_readme_explains_every_variable_and_no_other():
    source = (ROOT / "portal" / "settings.py").read_text()
    read = set(re.findall(r"\benv\.\w+\(\s*\"(\w+)\"", source)) | {VARIABLE}
    rows = re.findall(r"^\| (`[^|]*) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    explained = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert sorted(explained) == sorted(read)


def anchor(heading):
    """As the pages' readers make it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def leads_nowhere(page, link):
    path, _, place = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(place) and place not in map(anchor, HEADING.findall(target.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_leads_somewhere(page):
    links = [link for link in LINK.findall(page.read_text()) if ":" not in link]
    assert [link for link in links if leads_nowhere(page, link)] == []
