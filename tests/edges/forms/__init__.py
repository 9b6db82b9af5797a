"""Every form of the portal as an honest person sends it; test_bad_input.py sends worse."""

from tests.edges.forms import (
    applying,
    desk,
    entrances,
    holding,
    incidents,
    passkeys,
    people,
    programmes,
)
from tests.edges.forms.trying import FORMS, ROUTES

__all__ = [
    "FORMS",
    "ROUTES",
    "applying",
    "desk",
    "entrances",
    "holding",
    "incidents",
    "passkeys",
    "people",
    "programmes",
]
