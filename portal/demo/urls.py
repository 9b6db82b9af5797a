"""Addresses that exist in a demo only."""

from django.urls import path

from portal.demo import views

app_name = "demo"

urlpatterns = [
    path("mail/", views.mailbox, name="mail"),
    path("mail/<str:name>/", views.message, name="message"),
]
