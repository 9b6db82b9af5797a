"""What is sent to a form in place of what it asks for."""

import json
import os
from base64 import urlsafe_b64encode

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

# BAD_INPUT_TRIES=200 looks closer.
TRIES = settings(
    max_examples=int(os.environ.get("BAD_INPUT_TRIES", "4")),
    deadline=None,
    database=None,
    phases=[Phase.generate],  # each try is a page; making a finding smaller would take minutes
    suppress_health_check=list(HealthCheck),
)

NASTY = [
    *("", " ", "\0", "a\0b", "\ud800", "a\udfffb", "\ufffe", "\u202eabc", "\u2028", "\r\n\r\n"),
    *("-1", "0", "1e400", "NaN", "9" * 10, "9" * 19, "9" * 400, "٣", "1.5", "true", "None"),
    *("0000-00-00", "2030-02-30", "9999-12-31", "0001-01-01", "24:00", "2030-01-31T00:00"),
    *("[", "{}", "[]", "%", "%00", "\\", "\\u0000", "'\";--", "<b>&amp;", "a" * 300, "é" * 20_000),
    *("9" * 5000, "[" * 9000),
    *("http://[", "https://a\nb", "javascript:0", "a@b", "a@b.c\0", "@", "x" * 64 + "@example.org"),
    *("ORG-34679ACD", "PHA-34679ACD", "draft", "owner", "form.version"),
]
TEXT = st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=40))


NO_TEXT = st.one_of(st.none(), st.integers(), st.just([]), st.just({}), st.floats(0, 1))
CODED = st.binary(max_size=40).map(lambda data: urlsafe_b64encode(data).decode().rstrip("="))


def spoiled(text):
    """JSON of which one thing is another, or one too many."""
    thing = json.loads(text)
    return st.tuples(st.sampled_from([*_paths(thing)]), st.one_of(TEXT, NO_TEXT, CODED)).map(
        lambda chosen: json.dumps(_with(thing, *chosen))
    )


def _paths(thing, *path):
    for name, value in thing.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from _paths(value, *path, name)
    yield (*path, "more")


def _with(thing, path, other):
    name, *rest = path
    return {**thing, name: _with(thing[name], rest, other) if rest else other}


def sent(fields):
    """Fields as they ought to be, but for one or several: missing, repeated or not what they are.

    Now and then none is as it ought to be.
    """
    inside = [spoiled(value) for values in fields.values() for value in values if value[:1] == "{"]
    wrong = st.one_of(
        st.lists(TEXT, max_size=2),
        *(each.map(lambda text: [text]) for each in inside * 9),
        *([st.tuples(TEXT).map(list)] * 3),
        *(TEXT.map(lambda typed, known=values: [*known, typed]) for values in fields.values()),
    )
    some = st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=2, unique=True)
    chosen = st.one_of(some, some, some, st.just(sorted(fields)))
    return chosen.flatmap(
        lambda names: st.fixed_dictionaries(dict.fromkeys(names, wrong)).map(
            lambda typed: {**fields, **typed}
        )
    )
