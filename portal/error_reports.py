"""What Django's page about a crash (DEBUG) and its mail to administrators may show."""

import os
import re
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class ReporterFilter(SafeExceptionReporterFilter):
    """Nothing of the environment: granian hands it to each request, peppers, signing keys and the
    database's address included, and Django hides only what its own settings call secret.
    """

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|PEPPER|BROKER|REDIS|DATABASE_URL",
        re.IGNORECASE,
    )

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        meta = super().get_safe_request_meta(request)
        return {name: value for name, value in meta.items() if name not in os.environ}
