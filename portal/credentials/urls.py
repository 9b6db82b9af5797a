"""The holder's addresses."""

from django.urls import path

from portal import converters  # noqa: F401 - registers <reference:…> and <kid:…>
from portal.credentials import views

app_name = "credentials"

urlpatterns = [
    path("access/", views.access, name="access"),
    path("access/check/", views.check, name="check"),
    path("access/cases/<reference:ref>/", views.stopped, name="case"),
    path("access/offers/<reference:ref>/", views.offer, name="offer"),
    path("access/keys/<kid:kid>/claim/", views.claim, name="claim"),
    path("access/keys/<kid:kid>/rotate/", views.rotate, name="rotate"),
    path("access/keys/<kid:kid>/rename/", views.rename, name="rename"),
    path("access/keys/<kid:kid>/revoke/", views.revoke, name="revoke"),
    path("access/grants/<reference:ref>/keys/", views.request_key, name="request_key"),
    path("access/grants/<reference:ref>/test-key/", views.make_test_key, name="make_test_key"),
    path("access/grants/<reference:ref>/give-up/", views.give_up, name="give_up"),
]
