"""Every address of the portal."""

from django.contrib import admin
from django.urls import include, path

from portal import gallery, health, landing, throttle, views
from portal.metrics.views import metrics

admin.autodiscover()

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path(".well-known/security.txt", views.security_txt, name="security_txt"),
    path("", include("portal.gateway.urls")),
    path("gallery/", gallery.gallery, name="gallery"),
    path("", landing.home, name="home"),
    path("programmes/<slug:slug>/", landing.release, name="release"),
    path("", include("portal.programs.urls")),
    path("", include("portal.applications.urls")),
    path("", include("portal.credentials.urls")),
    path("accounts/", include("accounts.urls")),
    path("accounts/", include("portal.webhooks.urls")),
    path("accounts/", include("accounts.guarded_urls")),
    path("accounts/", include("allauth.urls")),
    path("demo/", include("portal.demo.urls")),
    path("admin/", admin.site.urls),
]

handler400 = views.bad_request
handler403 = views.permission_denied
handler429 = throttle.too_many_requests  # also what allauth answers with
handler404 = views.page_not_found
handler500 = views.server_error
