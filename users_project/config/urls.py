"""Routes of the User Service. `nginx/` defines which ones the gateway lets through."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from shared.api.urls import common
from users import views
from users.accounts import privacy_views
from users.accounts.views import RegistrationView
from users.pages.enrolment import EnrolView
from users.pages.views import StartView

MAIL_ROUTES = [path("", include("users.accounts.urls"))]
if settings.ACCOUNT_PAGES:
    MAIL_ROUTES.append(path("account/", include("users.pages.urls")))

urlpatterns = [
    path("api/v1/users", RegistrationView.as_view()),
    path("api/v1/users/me", views.MeView.as_view()),
    path("api/v1/users/me/export", privacy_views.ExportView.as_view()),
    path("api/v1/users/restore", privacy_views.RestoreView.as_view()),
    path("api/v1/users/me/change_password", views.ChangePasswordView.as_view()),
    path("api/v1/users/me/events", views.EventsView.as_view()),
    path("api/v1/users/verify", views.VerifyView.as_view()),
    path("api/v1/users/lookup", views.LookupView.as_view()),
    path("api/v1/users/<uuid:user_id>", views.UserView.as_view()),
    path("api/v1/users/<uuid:user_id>/end_sessions", views.EndSessionsView.as_view()),
    path("api/v1/users/", include("users.factors.urls")),
    *(MAIL_ROUTES if settings.MAIL_ENABLED else []),
    *common("api/v1/users"),
    path("", StartView.as_view()),
    # Also without mail and the other pages, since the admin leads here.
    path("account/factors/enrol", EnrolView.as_view(), name="account_enrol"),
    path("admin/", include("users.admin.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "users.errors.bad_request"
handler403 = "users.errors.permission_denied"
handler404 = "users.errors.page_not_found"
handler500 = "users.errors.server_error"
