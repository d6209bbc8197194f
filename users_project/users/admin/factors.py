"""The admin's page about the second factors of a user who has lost them."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator

from users.admin.step_up import recent_login_required
from users.admin.user_pages import UserPages
from users.factors import resets
from users.factors.models import Factor, FactorReset
from users.models import User

ASKED = "They are removed when the time has come, unless the user objects."
CANCELLED = "The factors stay as they are."
NONE = "No reset waits any more: nothing was done."


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.TextInput({"class": "vTextField"}),
        help_text="How you know that it is the user who asks. It is kept.",
    )


def factors_of(user_id: UUID) -> dict[str, Any]:
    """The user's confirmed factors, the pending reset, and the form to request one."""
    confirmed = Factor.objects.filter(user=user_id, confirmed_at__isnull=False)
    return {
        "confirmed": confirmed.order_by("created_at"),
        "reset": FactorReset.objects.filter(user=user_id).first(),
        "form": ReasonForm(),
    }


class FactorPages(UserPages):
    @method_decorator(recent_login_required)
    def factors_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.user_of(request, object_id)
        if request.method == "POST":
            if "cancel" in request.POST:
                self.cancel_reset(request, user)
            else:
                self.request_reset(request, user)
            return HttpResponseRedirect(request.path)
        return self.render_page(request, user, "factors", factors_of)

    @transaction.atomic
    def request_reset(self, request: HttpRequest, user: User) -> None:
        """Raises BadRequest without a reason, which the page's form requires."""
        form = ReasonForm(request.POST)
        if not form.is_valid():
            raise BadRequest("no reason is given")
        reason = form.cleaned_data["reason"]
        resets.request(user, str(request.user.pk), reason)
        text = f"Asked for a reset of the second factors: {reason}"
        self.log_change(request, user, text)
        messages.success(request, ASKED)

    @transaction.atomic
    def cancel_reset(self, request: HttpRequest, user: User) -> None:
        if not resets.cancel(user, str(request.user.pk)):
            messages.warning(request, NONE)
            return
        self.log_change(request, user, "Cancelled the reset of the second factors.")
        messages.success(request, CANCELLED)
