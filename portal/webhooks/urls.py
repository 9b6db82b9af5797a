"""Pages about an organisation's webhooks, under /accounts/."""

from django.urls import path

from portal import converters  # noqa: F401 - registers <reference:…>
from portal.webhooks import views

app_name = "webhooks"
_LIST = "organizations/<reference:ref>/webhooks/"
_ONE = f"{_LIST}<reference:endpoint_ref>/"

urlpatterns = [
    path(_LIST, views.endpoints, name="endpoints"),
    path(_ONE, views.endpoint, name="endpoint"),
    path(f"{_ONE}ping/", views.send_ping, name="ping"),
    path(f"{_ONE}on/", views.switch_on, name="switch_on"),
    path(f"{_ONE}off/", views.switch_off, name="switch_off"),
    path(f"{_ONE}remove/", views.remove, name="remove"),
    path(f"{_ONE}deliveries/<reference:delivery_ref>/resend/", views.resend, name="resend"),
]
