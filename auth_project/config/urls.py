"""Routes of the Auth Service. What the gateway lets through is in `nginx/`."""

from django.urls import path

from shared.api.urls import common
from tokens.views import factors, internal, oauth, public, sessions

urlpatterns = [
    # The most frequent requests come first: Django tries the routes in order.
    path("api/v1/auth/verify_token", public.VerifyTokenView.as_view()),
    path("api/v1/auth/refresh", public.RefreshView.as_view()),
    path("api/v1/auth/login", public.LoginView.as_view()),
    path("api/v1/auth/login/second_factor", factors.SecondFactorView.as_view()),
    path("api/v1/auth/login/enrol", factors.EnrolView.as_view()),
    path("api/v1/auth/login/passkey/options", factors.PasskeyOptionsView.as_view()),
    path("api/v1/auth/login/passkey", factors.PasskeyLoginView.as_view()),
    path("api/v1/auth/step_up/options", factors.StepUpOptionsView.as_view()),
    path("api/v1/auth/step_up", factors.StepUpView.as_view()),
    path("api/v1/auth/logout", public.LogoutView.as_view()),
    path("api/v1/auth/introspect", oauth.IntrospectView.as_view()),
    path("api/v1/auth/sessions/revoke", internal.RevokeSessionsView.as_view()),
    path("api/v1/auth/sessions", sessions.SessionListView.as_view()),
    path("api/v1/auth/sessions/<id:session_id>", sessions.SessionView.as_view()),
    path("api/v1/auth/logout_all", sessions.LogoutAllView.as_view()),
    path(
        "api/v1/auth/users/<uuid:user_id>/sessions",
        internal.UserSessionsView.as_view(),
    ),
    path(
        "api/v1/auth/users/<uuid:user_id>/sessions/<uuid:session_id>/revoke",
        internal.RevokeUserSessionView.as_view(),
    ),
    path("api/v1/auth/users/<uuid:user_id>/events", internal.UserEventsView.as_view()),
    path(
        "api/v1/auth/users/<uuid:user_id>/stored_sessions",
        internal.StoredSessionsView.as_view(),
    ),
    path("api/v1/auth/users/<uuid:user_id>/erase", internal.EraseUserView.as_view()),
    path(".well-known/jwks.json", oauth.JWKSetView.as_view()),
    path(".well-known/oauth-authorization-server", oauth.MetadataView.as_view()),
    *common("api/v1/auth"),
]

handler400 = "shared.api.problem_details.bad_request"
handler403 = "shared.api.problem_details.permission_denied"
handler404 = "shared.api.problem_details.page_not_found"
handler500 = "shared.api.problem_details.server_error"
