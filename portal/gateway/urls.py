"""Addresses for machines."""

from django.conf import settings
from django.urls import path, re_path

from portal.gateway import oauth_views, offline_views, usage_views, views

urlpatterns = [
    path("oauth/introspect", views.introspect, name="introspect"),
    path("oauth/token", oauth_views.exchange_key, name="oauth_token"),
    path("oauth/revoke", oauth_views.revoke_key, name="oauth_revoke"),
    path(".well-known/jwks.json", oauth_views.jwks, name="jwks"),
    path(".well-known/oauth-authorization-server", oauth_views.metadata, name="oauth_metadata"),
    path("gateway/authorize", views.authorize, name="authorize"),
    path("gateway/usage", usage_views.report_usage, name="usage"),
    path("gateway/snapshot", offline_views.tell_snapshot, name="snapshot"),
    path("gateway/status-list", offline_views.tell_status_list, name="status_list"),
    path("gateway/status-lists", offline_views.tell_status_lists, name="status_lists"),
    # Envoy appends the client's own path to ours.
    re_path(r"^gateway/authorize(?P<rest>/.*)$", views.authorize, name="authorize_envoy"),
]
if settings.DEMO:
    urlpatterns += [path("sandbox/v1/responses", views.sandbox_responses, name="sandbox")]
