"""GET /metrics, for the machine that watches."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.crypto import constant_time_compare
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from portal.metrics import counted
from portal.metrics.standing import Standing


def metrics(request: HttpRequest) -> HttpResponse:
    """Without METRICS_TOKEN there is no such page, for anybody."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    headers = {"Cache-Control": "no-store"}
    if not constant_time_compare(
        request.META.get("HTTP_AUTHORIZATION", ""), f"Bearer {settings.METRICS_TOKEN}"
    ):
        headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        words = "Send METRICS_TOKEN as: Authorization: Bearer ...\n"
        return HttpResponse(words, "text/plain", 401, headers=headers)
    everything = counted.as_text() + generate_latest(Standing())
    return HttpResponse(everything, CONTENT_TYPE_PLAIN_0_0_4, headers=headers)
