"""What /metrics tells, as numbers."""

from prometheus_client.parser import text_string_to_metric_families


def told(text):
    """{(name, (label, value), ...): number} of an exposition, which must be well formed."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def number(text, name, **labels):
    """One of them, 0 for one that is not told."""
    return told(text).get((name, *sorted(labels.items())), 0)
