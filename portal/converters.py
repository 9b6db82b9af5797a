"""What public identifiers look like in an address: anything else is not found, and asks nobody."""

from django.urls import register_converter


class Text:
    """An address part that stays text; the pattern alone decides."""

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class Reference(Text):
    regex = "[A-Z]{3,4}-[0-9A-Z]{6,12}"


class KeyId(Text):
    regex = "[0-9A-Za-z]{16}"


register_converter(Reference, "reference")
register_converter(KeyId, "kid")
