"""The admin's page about the second factors of a user who has lost them."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator

from users.accounts import links
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
            self.change_reset(request, user)
            return HttpResponseRedirect(request.path)
        return self.render_page(request, user, "factors", factors_of)

    @transaction.atomic
    def change_reset(self, request: HttpRequest, user: User) -> None:
        """Request or cancel a reset. Raises PermissionDenied if the user may not be
        changed any more, once the row is locked: the user may just have been erased."""
        locked = links.lock(user.pk)
        if not self.can_modify(request, locked):
            raise PermissionDenied
        if "cancel" in request.POST:
            self.cancel_reset(request, locked)
        else:
            self.request_reset(request, locked)

    def request_reset(self, request: HttpRequest, user: User) -> None:
        form = ReasonForm(request.POST)
        if not form.is_valid():
            faults = " ".join(map(str, form.errors["reason"]))
            messages.error(request, f"Reason: {faults}")
            return
        reason = form.cleaned_data["reason"]
        resets.request(user, str(request.user.pk), reason)
        self.log_change(request, user, f"{resets.ASKED}: {reason}")
        messages.success(request, ASKED)

    def cancel_reset(self, request: HttpRequest, user: User) -> None:
        if not resets.cancel(user, str(request.user.pk)):
            messages.warning(request, NONE)
            return
        self.log_change(request, user, "Cancelled the reset of the second factors.")
        messages.success(request, CANCELLED)
