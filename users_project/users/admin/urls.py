"""Routes of the admin that Django's site does not have, or that override its own."""

from typing import NoReturn

from django.contrib import admin
from django.http import Http404, HttpRequest
from django.urls import path

from users.admin.add_factor import AddFactorView
from users.admin.change_password import OwnPasswordView
from users.admin.confirm import confirm
from users.admin.login import LoginView, PasskeyLoginView, SecondFactorView
from users.admin.own_factors import FactorsView

own = admin.site.admin_view


def no_completion(request: HttpRequest) -> NoReturn:
    """No page of ours completes what is typed. Django's view would read whole tables,
    and fails for some fields."""
    raise Http404


urlpatterns = [
    path("login/", LoginView.as_view()),
    path("login/passkey/", PasskeyLoginView.as_view(), name="admin_passkey"),
    path(
        "login/second_factor/", SecondFactorView.as_view(), name="admin_second_factor"
    ),
    path("factors/", own(FactorsView.as_view()), name="admin_factors"),
    path("factors/add/", own(AddFactorView.as_view()), name="admin_add_factor"),
    path("autocomplete/", own(no_completion)),
    path("confirm/", own(confirm), name="admin_confirm"),
    path("password_change/", own(OwnPasswordView.as_view())),
]
