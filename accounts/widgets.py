"""Form widgets that Django's own would be too slow for."""

from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class LongSelect(forms.Select):
    """A select of hundreds of options in one list, drawn without a template for each of them."""

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: Any = None,
    ) -> SafeString:
        chosen = "" if value is None else str(value)
        options = (
            (flatatt({"value": key, "selected": str(key) == chosen}), words)
            for key, words in self.choices
        )
        drawn = format_html_join("\n", "<option{}>{}</option>", options)
        given = self.build_attrs(self.attrs, {"name": name, **(attrs or {})})
        return format_html("<select{}>{}</select>", flatatt(given), drawn)
