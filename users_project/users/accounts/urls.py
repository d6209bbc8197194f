"""Routes that need mail."""

from django.urls import path

from users.accounts import views

BASE = "api/v1/users"
urlpatterns = [
    path(f"{BASE}/verify_email", views.VerifyEmailView.as_view()),
    path(f"{BASE}/verify_email/resend", views.ResendView.as_view()),
    path(f"{BASE}/password_reset", views.PasswordResetView.as_view()),
    path(f"{BASE}/password_reset/confirm", views.ConfirmPasswordResetView.as_view()),
    path(f"{BASE}/me/change_email", views.ChangeEmailView.as_view()),
    path(f"{BASE}/change_email/confirm", views.ConfirmEmailChangeView.as_view()),
    path(f"{BASE}/change_email/undo", views.UndoEmailChangeView.as_view()),
    path(f"{BASE}/factors_reset/cancel", views.CancelFactorsResetView.as_view()),
]
