"""Limits of rate for our own entrances, counted as allauth counts its own.

    @throttle("invite", "20/h")
    def invite(request, ref): ...

Counted is every POST by the person signed in or else by the address it comes from. Beyond the
limit the answer is a page with status 429 that says when to try again.
"""

import math
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

View = Callable[..., HttpResponse]

_APP = "portal"
_DEFAULT_WAIT = 60


def throttle(action: str, rate: str) -> Callable[[View], View]:
    """Allow `rate`, for instance `5/m`, `20/h` or `100/d`; apply outside `login_required`."""
    ratelimit.parse_rate(rate)  # a wrong one fails at start-up

    def decorator(view: View) -> View:
        @wraps(view)
        def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            counted = f"{rate}/{'user' if request.user.is_authenticated else 'ip'}"
            if ratelimit.consume(request, app=_APP, action=action, config={action: counted}):
                return view(request, *args, **kwargs)
            return too_many_requests(request, wait=_wait(request, action, counted))

        return limited

    return decorator


def too_many_requests(request: HttpRequest, wait: int = _DEFAULT_WAIT) -> HttpResponse:
    minutes = math.ceil(wait / 60)
    waiting = "Wait a minute" if minutes == 1 else f"Wait {minutes} minutes"
    page = {"next": f"{waiting}, then go back and try again."}
    response = render(request, "429.html", page, status=429)
    response["Retry-After"] = str(wait)
    return response


def _wait(request: HttpRequest, action: str, counted: str) -> int:
    """Seconds until the oldest counted request is forgotten."""
    rate = ratelimit.parse_rate(counted)
    key = ratelimit.get_cache_key(request, app=_APP, action=action, rate=rate)
    history = cache.get(key) or [time.time()]
    return max(1, math.ceil(history[-1] + rate.duration - time.time()))
