"""Addresses of the terms; the public pages stand in portal.landing."""

from django.urls import path

from portal.programs import views

urlpatterns = [path("programmes/<slug:slug>/terms/", views.terms, name="terms")]
