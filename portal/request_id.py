"""The id a person can quote and a log can be searched for; empty outside a request."""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
