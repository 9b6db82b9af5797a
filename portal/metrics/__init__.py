"""Numbers for Prometheus, at /metrics for whoever holds METRICS_TOKEN (docs/operations.md).

What happens is counted as it happens, in each process (`counted`, `folder`). How things stand is
read from PostgreSQL when somebody asks (`standing`). Labels are names out of our own code, never
anything that came with a request: no kid, key, reference or address.
"""

from portal.metrics.counted import note_decision, note_request, note_task

__all__ = ["note_decision", "note_request", "note_task"]
