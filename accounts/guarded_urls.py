"""Pages of allauth that it guards too little, at their own addresses."""

from allauth.account import views
from django.urls import path

from accounts.reauthentication import fresh_sign_in_required

# Whoever signs in with an institution only could be given a password by somebody who finds the
# browser open, and that password would then pass as proof.
urlpatterns = [
    path(
        "password/set/",
        fresh_sign_in_required(views.password_set),
        name="account_set_password",
    ),
]
