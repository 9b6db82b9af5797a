"""Addresses for machines."""

from django.conf import settings
from django.urls import path, re_path

from portal.gateway import usage_views, views

urlpatterns = [
    path("oauth/introspect", views.introspect, name="introspect"),
    path("gateway/authorize", views.authorize, name="authorize"),
    path("gateway/usage", usage_views.report_usage, name="usage"),
    # Envoy appends the client's own path to ours.
    re_path(r"^gateway/authorize(?P<rest>/.*)$", views.authorize, name="authorize_envoy"),
]
if settings.DEMO:
    urlpatterns += [path("sandbox/v1/responses", views.sandbox_responses, name="sandbox")]
