"""Sensitive pages of the admin ask again who is there, fifteen minutes after the last
answer."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from users.admin.page import redirect_to

LIFETIME = 15 * 60  # seconds
AUTHENTICATED_AT = "authenticated_at"  # in the session


@receiver(user_logged_in)
def note_authentication(request: HttpRequest, **kwargs: Any) -> None:
    """The user has just proved who they are: by a login, or here."""
    request.session[AUTHENTICATED_AT] = int(time.time())


def is_recent(request: HttpRequest) -> bool:
    """Whether that was within fifteen minutes. Of older versions' sessions it is not
    known."""
    then: int = request.session.get(AUTHENTICATED_AT, 0)
    return time.time() - then < LIFETIME


def ask(request: HttpRequest, back: str) -> HttpResponse:
    """To the page that asks, and then by GET to this address."""
    return redirect_to("admin_confirm", back)


def recent_login_required(view: Callable[..., Any]) -> Any:
    """A method of a ModelAdmin whose page is sensitive."""

    @wraps(view)
    def ask_or_view(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if is_recent(request):
            return view(self, request, *args, **kwargs)
        return ask(request, request.get_full_path())

    return ask_or_view
