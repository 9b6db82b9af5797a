"""What people typed is text wherever it is shown: nothing switches escaping off."""

import ast
import re
from pathlib import Path

from django.conf import settings
from django.template import engines

ROOT = Path(settings.BASE_DIR)
UNESCAPED = re.compile(r"\|\s*safe(seq)?\b|autoescape\s+off")
# A value without quotes around it could end its attribute with a blank and begin another.
UNQUOTED = re.compile(r"<[^>]*\s[\w:-]+=(\{\{|\{%)")
# Attributes whose values htmx or the browser run: an address, a target, an expression.
RUN = re.compile(r"""[\s}]((?:data-)?hx-[\w:-]+|on\w+)=(["'])(.*?)\2""", re.DOTALL)
TRUSTING = {"mark_safe", "SafeString", "SafeText"}


def templates():
    return sorted((ROOT / "templates").rglob("*.html"))


def found_in_templates(pattern):
    return {
        str(path.relative_to(ROOT)): [match[0] for match in pattern.finditer(path.read_text())]
        for path in templates()
        if pattern.search(path.read_text())
    }


def test_no_template_switches_escaping_off():
    assert found_in_templates(UNESCAPED) == {}


def test_no_template_puts_a_value_into_an_attribute_without_quotes():
    assert found_in_templates(UNQUOTED) == {}


def test_what_htmx_runs_is_written_by_us():
    """Addresses by name and reference, states, a page's own address: nothing that anybody typed."""
    values = {
        inner
        for path in templates()
        for match in RUN.finditer(path.read_text())
        for inner in re.findall(r"\{\{.*?\}\}|\{%.*?%\}", match[3])
    }
    assert values == {
        "{% url 'admin:credentials_reissue_progress' reissue.ref %}",
        "{% url 'admin:credentials_revocation_count' %}",
        "{% url 'admin:credentials_revocation_progress' case.ref %}",
        "{% url 'applications:capabilities' application.ref %}",
        "{% url 'applications:organization' application.ref %}",
        "{% url 'applications:section' application.ref section.number %}",
        "{{ case.status }}",
        "{{ request.get_full_path }}",
    }


def _trusted(tree):
    """Texts called safe, and formats that are no plain literal (values in those are escaped)."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        literal = bool(node.args) and isinstance(node.args[0], ast.Constant)
        if name in TRUSTING | {"format_html"} and not literal:
            yield ast.unparse(node)
        if name == "format_html_join" and not isinstance(node.args[1], ast.Constant):
            yield ast.unparse(node)


def test_no_code_calls_anything_safe_but_its_own_words():
    found = {
        str(path.relative_to(ROOT)): trusted
        for top in ("portal", "accounts")
        for path in (ROOT / top).rglob("*.py")
        if (trusted := list(_trusted(ast.parse(path.read_text()))))
    }
    assert found == {}


def test_the_searches_find_what_they_look_for():
    assert UNESCAPED.search("{{ help|safe }}")
    assert UNESCAPED.search("{% autoescape off %}")
    assert UNQUOTED.search("<p class={{ given }}>")
    assert not UNQUOTED.search('<p class="{{ given }}">')
    tree = ast.parse("mark_safe(x); format_html(f'{x}'); format_html_join('', x, y); SafeString(1)")
    assert len(list(_trusted(tree))) == 3


def test_templates_escape_by_default():
    """Were this off, every search above would be for nothing."""
    assert engines["django"].engine.autoescape
