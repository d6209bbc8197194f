"""Routes of factors, those for the Auth Service last."""

from django.urls import path

from users.factors import internal_views, passkey_views

urlpatterns = [
    path("passkeys/verify", passkey_views.VerifyPasskeyView.as_view()),
    path("<uuid:user_id>/factors", internal_views.FactorsView.as_view()),
    path("<uuid:user_id>/factors/verify", internal_views.VerifyFactorView.as_view()),
]
