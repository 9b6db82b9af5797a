"""GET /metrics, for the machine that watches."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.crypto import constant_time_compare
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from portal.metrics import counted, folder
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
    return HttpResponse(_everything(), CONTENT_TYPE_PLAIN_0_0_4, headers=headers)


def _everything() -> bytes:
    """What was counted on this machine, and how things stand, in Prometheus's text format."""
    counted.write_down()
    return _counted() + generate_latest(Standing())


def _counted() -> bytes:
    if not folder.is_shared():
        return generate_latest(counted.COUNTED)
    with folder.locked():
        folder.put_dead_together()
        return generate_latest(MultiProcessCollector(None))
