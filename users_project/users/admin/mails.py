"""The admin's buttons that mail a link to a user."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from users.accounts.models import AddressRequest
from users.accounts.requests import send_link
from users.admin.pages import UserPages
from users.events.log import record
from users.models import User

BUTTONS = {
    AddressRequest.Kind.RESET: "Send reset mail",
    AddressRequest.Kind.RESEND: "Resend verification",
}
SENT = "A mail with a link goes to %s."


def mails_for(user: User) -> dict[str, str]:
    """The buttons of this user: who may not log in gets no mail, and who is verified
    none to verify."""
    if not settings.MAIL_ENABLED or not user.is_present:
        return {}
    kinds = list(BUTTONS)[: 1 if user.email_verified else 2]
    return {kind.value: BUTTONS[kind] for kind in kinds}


class MailPages(UserPages):
    def get_urls(self) -> list[URLPattern]:
        """The route of the buttons, next to the user's own."""
        view = self.admin_site.admin_view(require_POST(self.mail_view))
        own = path("<path:object_id>/mail/", view, name="users_user_mail")
        return [own, *super().get_urls()]

    def mail_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Mail the link, and record it. Raises BadRequest where it is not one of the
        user's buttons."""
        user, kind = self.user_of(request, object_id), request.POST.get("kind", "")
        if kind not in mails_for(user):
            raise BadRequest("no such mail")
        with transaction.atomic():
            send_link(AddressRequest.Kind(kind), user)
            record("user_mail_link", user.pk, kind=kind, by=str(request.user.pk))
            self.log_change(request, user, f"Mailed a link: {kind}.")
        messages.success(request, SENT % user)
        page = reverse("admin:users_user_change", args=[user.pk])
        return HttpResponseRedirect(page)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the buttons."""
        user = kwargs.get("obj")
        if user is not None and self.can_modify(request, user):
            context["mails"] = mails_for(user)
        return super().render_change_form(request, context, *args, **kwargs)
