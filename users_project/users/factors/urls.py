"""Routes of factors, those for the Auth Service last."""

from django.urls import path

from users.factors import internal_views, views

urlpatterns = [
    path("me/factors", views.FactorsView.as_view()),
    path("me/factors/totp", views.TOTPView.as_view()),
    path("me/factors/passkeys/options", views.PasskeyOptionsView.as_view()),
    path("me/factors/passkeys", views.PasskeysView.as_view()),
    path("me/factors/<id:factor_id>", views.FactorView.as_view()),
    path("me/factors/<id:factor_id>/confirm", views.ConfirmView.as_view()),
    path("me/recovery_codes", views.RecoveryCodesView.as_view()),
    path("me/password", views.PasswordView.as_view()),
    path("passkeys/verify", internal_views.VerifyPasskeyView.as_view()),
    path("<uuid:user_id>/factors", internal_views.FactorsView.as_view()),
    path("<uuid:user_id>/factors/enrol", internal_views.EnrolView.as_view()),
    path("<uuid:user_id>/factors/verify", internal_views.VerifyFactorView.as_view()),
]
