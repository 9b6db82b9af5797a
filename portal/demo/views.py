"""The demo's mailbox: a newcomer signs up with any address and reads the code here."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.demo import mailbox as box


@never_cache
@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    _only_in_demo()
    to = request.GET.get("to", "").strip()
    return render(request, "demo/mailbox.html", {"mails": box.mails(to), "to": to})


@never_cache
@require_safe
def message(request: HttpRequest, name: str) -> HttpResponse:
    _only_in_demo()
    mail = box.mail_named(name)
    if mail is None:
        raise Http404
    return render(request, "demo/message.html", {"mail": mail})


def _only_in_demo() -> None:
    if not settings.DEMO:
        raise Http404
