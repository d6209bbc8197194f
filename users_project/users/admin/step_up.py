"""Step-up: sensitive pages of the admin ask operators to prove again who they are, if
the last proof is more than fifteen minutes old."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import redirect_to_login
from django.dispatch import receiver
from django.http import HttpRequest

LIFETIME = 15 * 60  # seconds
AUTHENTICATED_AT = "authenticated_at"  # in the session


@receiver(user_logged_in)
def note_authentication(request: HttpRequest, **kwargs: Any) -> None:
    """Note that the user has just proved who they are, at a login or for a step-up."""
    request.session[AUTHENTICATED_AT] = int(time.time())


def is_recent(request: HttpRequest) -> bool:
    """Whether the last proof was within fifteen minutes. False for sessions of older
    versions, which do not know its time."""
    then: int = request.session.get(AUTHENTICATED_AT, 0)
    return time.time() - then < LIFETIME


def recent_login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Protect a sensitive view. The page that asks then leads to its URL by GET."""

    @wraps(view)
    def ask_or_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if is_recent(request):
            return view(request, *args, **kwargs)
        return redirect_to_login(request.get_full_path(), "admin_confirm")

    return ask_or_view
