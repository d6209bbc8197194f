"""The pages by which operators manage their own second factors."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import site
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.db import transaction
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from shared.api.exceptions import LastFactor
from users.admin.form_page import AdminFormPage
from users.admin.step_up import is_recent
from users.factors import changes, policy, recovery_codes
from users.factors.models import Factor
from users.limits.guess_limits import client_of
from users.middleware import AMR
from users.models import User
from users.validators import as_id

REMOVED = "The second factor was removed, and your other sessions have ended."
LAST = "Your account needs this factor. Add another one first."


class OwnFactorsPage(AdminFormPage):
    """For operators with a recent authentication: by a factor, if they have one."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if policy.mode("admin") == "off":
            raise Http404
        has_factor = self.confirmed().exists()
        is_proved = "mfa" in request.session.get(AMR, ()) or not has_factor
        if not (is_proved and is_recent(request)):
            return redirect_to_login(request.path, "admin_confirm")
        with transaction.atomic():
            return super().dispatch(request, *args, **kwargs)

    def owner(self) -> User:
        user: Any = self.request.user
        return user

    def confirmed(self) -> Any:
        rows = Factor.objects.filter(user=self.owner(), confirmed_at__isnull=False)
        return rows.order_by("created_at")

    def keep_session(self) -> None:
        """Let this session survive a change that ends all sessions of the user. The
        change has locked the row, so no other act has ended them since."""
        user = User.objects.get(pk=self.owner().pk)
        update_session_auth_hash(self.request, user)

    def show_codes(self, codes: list[str]) -> HttpResponse:
        """The only page of the admin that shows recovery codes."""
        shown = {"title": "Recovery codes", "codes": codes}
        context = {**site.each_context(self.request), **shown}
        return TemplateResponse(self.request, "admin/factors/codes.html", context)


class FactorsView(OwnFactorsPage):
    title = "Second factors"
    form_class = Form
    template_name = "admin/factors/list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        left = recovery_codes.left(self.owner().pk)
        factors = list(self.confirmed())
        return super().get_context_data(factors=factors, codes_left=left, **kwargs)

    def form_valid(self, form: Form) -> HttpResponse:
        """Do what the button says. Raises NotFound if another tab was faster."""
        if "codes" in self.request.POST:
            codes = changes.replace_codes(self.owner(), client_of(self.request))
            return self.show_codes(codes)
        self.remove(self.request.POST.get("remove", ""))
        return redirect("admin_factors")

    def remove(self, factor_id: str) -> None:
        """Remove this factor. Raises BadRequest without an id, and NotFound."""
        if not (found := as_id(factor_id)):
            raise BadRequest("no factor is named")
        try:
            changes.remove(self.owner(), found, client_of(self.request))
        except LastFactor:
            messages.error(self.request, LAST)
            return
        self.keep_session()
        messages.success(self.request, REMOVED)
