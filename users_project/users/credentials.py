"""Whose password is it? The one check behind the API and the admin's login."""

from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from shared import ratelimit
from shared.auth.authentication import TokenUser
from shared.auth.permissions import RECENT, require_authentication
from shared.ratelimit import Hits, RateLimitPolicy
from users.events import log
from users.factors import policy
from users.guess_limits import Client, LoginAttempt
from users.mail import notices
from users.models import User

WRONG = {"current_password": ["This is not the current password."]}


def authenticate(
    password: str, client: Client, *, site: str = "api", **names: str
) -> User | None:
    """The present user who has this name (the e-mail wins) and this password, with
    roles and factors, or None. Where a factor is needed (`policy`), this is no login
    yet. `admin` as the site takes staff alone: the limits would else tell
    the passwords of users who may not log in there. Raises RateLimited or Overloaded,
    with nothing counted."""
    login = names.get("email", names.get("username", ""))
    user = User.objects.get_by_identifier(**names)
    with LoginAttempt(login, user, client, site=site) as attempt:
        attempt.spend()
        right, silent = False, attempt.is_silent
        # Wrong and unknown, inactive, deleted and refused take the same work (PWD-06):
        # one hash with the current costs.
        if user is None:
            User().set_password(password)
        else:
            right = user.check_password(password, upgrade=not silent) and not silent
        if user and right and user.is_present and (user.is_staff or site != "admin"):
            attempt.succeed(user)
            # The admin notes it when it opens the session.
            if site != "admin" and policy.is_enough(user, client.device):
                note_login(user, client)
            return user
        attempt.fail()
    return None


def note_login(user: User, client: Client) -> None:
    """What follows a login, once all factors were right: a notice of a new device, and
    the time of the last login, set at most once an hour."""
    notices.of_login(user, client)
    now = timezone.now()
    hour_ago = now - timedelta(hours=1)
    if user.last_login is None or user.last_login < hour_ago:
        older = Q(last_login=None) | Q(last_login__lt=hour_ago)
        User.objects.filter(older, pk=user.pk).update(last_login=now)


def change(user: User, current: str, new: str, sid: UUID) -> bool:
    """Whether `current` is the user's password; then `new` is it, and of the sessions
    only `sid` continues. Raises RateLimited or Overloaded, with nothing changed.

    One hash where it is wrong, two where it is right.
    """
    return verify_current_password(user, current, str(sid)) and user.change_password(
        new, sid
    )


def verify_current_password(user: User, password: str, session: str) -> bool:
    """Whether it is the password of a user who is logged in by `session`, which may be
    stolen. Raises RateLimited or Overloaded, with nothing counted."""
    policies = [
        # By session, so that a stolen one leaves the owner's others alone.
        RateLimitPolicy("PASSWORD_LIMIT_SESSION", str(user.pk), session),
        RateLimitPolicy("PASSWORD_LIMIT_USER", str(user.pk)),
    ]
    with Hits(user_id=str(user.pk)) as hits:
        hits.require(*policies)
        right = user.check_password(password)
    if right:
        ratelimit.clear(policies)
    return right


def require_proof(user: User, caller: TokenUser, password: str | None) -> None:
    """Raise ValidationError where it is not the user's password. A user without one
    must have logged in within five minutes: InsufficientUserAuthentication. Raises
    RateLimited and Overloaded, too."""
    if not user.has_usable_password():
        require_authentication(caller, max_age=RECENT)
    elif not verify_current_password(user, password or "", str(caller.sid)):
        log.record("authn_password_check_fail", user.pk, sid=str(caller.sid))
        raise ValidationError(WRONG, code="invalid")
