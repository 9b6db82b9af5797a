"""The applicant's addresses."""

from django.urls import path

from portal import converters  # noqa: F401 - registers <reference:…>
from portal.applications import views

app_name = "applications"

_ONE = "applications/<reference:ref>/"

urlpatterns = [
    path("apply/", views.apply, name="apply"),
    path("applications/", views.applications, name="list"),
    path(_ONE, views.detail, name="detail"),
    path(f"{_ONE}organisation/", views.organization, name="organization"),
    path(f"{_ONE}section/<int:number>/", views.section, name="section"),
    path(f"{_ONE}capabilities/", views.capabilities, name="capabilities"),
    path(f"{_ONE}agreement/", views.agreement, name="agreement"),
    path(f"{_ONE}check/", views.check, name="check"),
    path(f"{_ONE}messages/", views.send, name="send"),
    path(f"{_ONE}withdraw/", views.withdraw, name="withdraw"),
    path(f"{_ONE}appeal/", views.appeal, name="appeal"),
]
