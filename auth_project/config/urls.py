"""Routes of the Auth Service. What the gateway lets through is in `nginx/`."""

from django.urls import path

from shared.urls import common
from tokens import (
    key_views,
    lock_views,
    operator_views,
    session_views,
    standard_views,
    views,
)

urlpatterns = [
    path("api/v1/auth/login", views.LoginView.as_view()),
    path("api/v1/auth/refresh", views.RefreshView.as_view()),
    path("api/v1/auth/logout", views.LogoutView.as_view()),
    path("api/v1/auth/verify_token", views.VerifyTokenView.as_view()),
    path("api/v1/auth/introspect", standard_views.IntrospectView.as_view()),
    path("api/v1/auth/sessions/revoke", views.RevokeSessionsView.as_view()),
    path("api/v1/auth/sessions", session_views.SessionListView.as_view()),
    path("api/v1/auth/sessions/<uuid:session_id>", session_views.SessionView.as_view()),
    path("api/v1/auth/logout_all", session_views.LogoutAllView.as_view()),
    path(
        "api/v1/auth/users/<uuid:user_id>/sessions",
        operator_views.UserSessionsView.as_view(),
    ),
    path(
        "api/v1/auth/users/<uuid:user_id>/sessions/<uuid:session_id>/revoke",
        operator_views.RevokeUserSessionView.as_view(),
    ),
    path("api/v1/auth/locks", lock_views.LocksView.as_view()),
    path("api/v1/auth/locks/lift", lock_views.LiftLocksView.as_view()),
    path(".well-known/jwks.json", key_views.JWKSetView.as_view()),
    path(
        ".well-known/oauth-authorization-server",
        standard_views.MetadataView.as_view(),
    ),
    *common("api/v1/auth"),
]

handler400 = "shared.problems.bad_request"
handler403 = "shared.problems.permission_denied"
handler404 = "shared.problems.page_not_found"
handler500 = "shared.problems.server_error"
