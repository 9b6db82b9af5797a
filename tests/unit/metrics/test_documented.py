"""docs/operations.md names every metric there is, in its table and its alerts, and no other."""

import re

import pytest
from django.conf import settings
from prometheus_client import CollectorRegistry

from portal.metrics import counted, standing

# A name with a bracket behind it is a function of the database.
NAME = re.compile(r"\b(?:portal|access)_[a-z_]+\b(?!\()")
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


@pytest.mark.django_db(transaction=True)
def test_the_handbook_names_every_metric_and_no_other():
    text = (settings.BASE_DIR / "docs" / "operations.md").read_text()
    named = {SUFFIXES.sub("", name) for name in NAME.findall(text)}
    registry = CollectorRegistry()
    registry.register(standing.Standing())
    told = {metric.name for metric in registry.collect()}
    counted_ = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for metric in counted.COUNTED.collect()
    }
    assert named == told | counted_


def test_what_is_counted_follows_the_custom_of_prometheus():
    names = {metric.name: metric.type for metric in counted.COUNTED.collect()}
    assert set(names.values()) == {"counter", "histogram"}
    assert [
        n for n, kind in names.items() if kind == "histogram" and not n.endswith("_seconds")
    ] == []
