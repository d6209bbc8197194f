"""Login to the admin: with a password and, if needed, a second factor; or with a
passkey. No session and no session cookie exist before the last step."""

import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin import site
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from shared.api.exceptions import InvalidCredentials
from shared.auth import device_cookie
from shared.auth.passkeys import request_options
from shared.metrics import logins_total
from users.admin import challenges
from users.admin.challenges import Use
from users.admin.form_page import AdminFormPage
from users.admin.second_factor import FactorForm, FactorPage, PasskeyForm, TrustForm
from users.events.log import record
from users.factors import enrolment, policy
from users.factors.passkeys import authenticate
from users.limits.guess_limits import client_of
from users.middleware import AMR, remember_device
from users.models import User
from users.passwords import credentials

UNKNOWN_PASSKEY = (
    "This passkey is not known or may not log in here, or the page was too old. "
    "Try again."
)
ENROLMENT = "Set up a second factor"


def open_session(
    request: HttpRequest, user: User, amr: list[str], *, trust: bool = False
) -> None:
    """Log the user in after the last factor. The response sets the cookies."""
    client = client_of(request)
    credentials.note_login(user, client)
    record("authn_login_success", user.pk, site="admin", ip=client.ip)
    logins_total.labels("success", "admin").inc()
    request.session.flush()  # `login` keeps the key of a session of the same user
    login(request, user)
    request.session[AMR] = amr
    remember_if_enough(request, user, trust=trust)
    # Each save would move the end, and some pages save on a GET (ASVS 7.3.2).
    request.session.set_expiry(timedelta(seconds=settings.SESSION_COOKIE_AGE))


def remember_if_enough(
    request: HttpRequest, user: User, *, trust: bool = False
) -> None:
    """Remember the device, unless the API would have asked this user, who was found
    with factors, for more than the session has: a device may set up a factor."""
    has_used_factor = "mfa" in request.session.get(AMR, ())
    if has_used_factor or policy.is_enough(user, device_cookie.read(request)):
        remember_device(request, user, trust=trust)


class LoginView(AdminFormPage, auth_views.LoginView):
    """`AdminSite.login`, with a second factor or enrolment after the password."""

    title = "Log in"
    template_name = "admin/login.html"
    authentication_form = AdminAuthenticationForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if site.has_permission(request):
            return HttpResponseRedirect(self.get_default_redirect_url())
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        user, device = form.get_user(), device_cookie.read(self.request)
        has_factor = bool(policy.methods(user, "admin"))
        if policy.is_enough(user, device, "admin"):
            open_session(self.request, user, ["pwd", *["rba"] * has_factor])
            return HttpResponseRedirect(self.get_success_url())
        if not has_factor:
            return self.enrol(user, device, form)
        page = "admin_second_factor"
        answer = auth_views.redirect_to_login(self.get_success_url(), page)
        challenges.set_cookie(answer, Use.LOGIN, challenges.create(user))
        return answer

    def enrol(self, user: User, device: str, form: Any) -> HttpResponse:
        """Lead to the account page that sets up the first factor: at once from a device
        of the account, otherwise by a link or code. The user has no other way in."""
        # Where the API asks for no factor, the password makes any browser a device.
        known = device if policy.is_required(user) else ""
        if enrolment.is_proved(user, known):
            query = {"token": enrolment.token_for(user)}
            return HttpResponseRedirect(reverse("account_enrol", query=query))
        self.template_name = "admin/factors/enrol.html"
        context = self.get_context_data(form=form, title=ENROLMENT)
        return self.render_to_response(context)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Adds the values of Django's template and of the passkey button."""
        challenge, signed = challenges.sign_anonymous()
        shown = {
            "app_path": reverse("admin:login"),
            "next": self.get_success_url(),
            "username": self.request.user.get_username(),
            "has_passkeys": policy.mode("admin") != "off",
            "passkey": json.dumps(request_options(challenge)),
            "challenge": signed,
        }
        return {**super().get_context_data(**kwargs), **shown}


class SecondFactorView(FactorPage):
    title = "Second factor"
    button = "Log in"
    use = Use.LOGIN

    def get_form_class(self) -> Any:
        """Offer to trust the device, unless the admin requires a factor each time."""
        return TrustForm if policy.may_trust("admin") else FactorForm

    def succeed(self, user: User, amr: list[str], form: Any) -> HttpResponse:
        trust = form.cleaned_data.get("trust_device", False)
        open_session(self.request, user, ["pwd", *amr, "mfa"], trust=trust)
        return HttpResponseRedirect(self.get_success_url())


class PasskeyLoginView(LoginView):
    """Login by a passkey alone: it counts as two factors, as its owner unlocks it."""

    http_method_names = ("post",)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            passkey = self.verified()
        except InvalidCredentials:
            logins_total.labels("invalid", "admin").inc()
            form = AdminAuthenticationForm(request)
            context = self.get_context_data(form=form, refused=UNKNOWN_PASSKEY)
            return self.render_to_response(context)
        open_session(request, passkey.user, [*passkey.amr, "mfa"])
        return HttpResponseRedirect(self.get_success_url())

    def verified(self) -> Any:
        """The passkey of a user who may log in here. Raises InvalidCredentials."""
        form = PasskeyForm(self.request.POST)
        challenge = challenges.read_anonymous(self.request.POST.get("challenge", ""))
        if challenge is None or not form.is_valid():
            raise InvalidCredentials
        sent, client = form.cleaned_data["credential"], client_of(self.request)
        passkey = authenticate(sent, challenge, client, site="admin")
        if not challenges.use_anonymous(challenge, passkey.user):
            raise InvalidCredentials
        return passkey
