"""The web entry: `granian --interface wsgi portal.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

_django = get_wsgi_application()

from portal.checks import refuse_unsound_doorbell  # noqa: E402 - settings are read by now
from portal.demo.guard import refuse_demo_accounts  # noqa: E402 - models need Django set up
from portal.gateway.noting import start_noting  # noqa: E402 - likewise
from portal.gateway.pepper_report import warn_of_missing_peppers  # noqa: E402 - likewise
from portal.gateway.quick import quick  # noqa: E402 - likewise

application = quick(_django)

refuse_unsound_doorbell()
refuse_demo_accounts()
warn_of_missing_peppers()
start_noting()

import portal.urls  # noqa: E402, F401 - all pages, so that nobody who comes first waits for them
