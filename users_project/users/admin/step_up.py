"""Step-up authentication: sensitive pages of the admin ask the user to authenticate
again, fifteen minutes after the last time."""

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
    """Note the time of a login, or of a confirmation that the admin has asked for."""
    request.session[AUTHENTICATED_AT] = int(time.time())


def is_recent(request: HttpRequest) -> bool:
    """Whether the user authenticated within fifteen minutes. False if the session is
    from a version that did not note the time."""
    then: int = request.session.get(AUTHENTICATED_AT, 0)
    return time.time() - then < LIFETIME


def recent_login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a sensitive view. After confirmation, users return to it by GET."""

    @wraps(view)
    def ask_or_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if is_recent(request):
            return view(request, *args, **kwargs)
        return redirect_to_login(request.get_full_path(), "admin_confirm")

    return ask_or_view
