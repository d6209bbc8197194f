"""Password checks. The API and the admin log users in by the same one."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from shared.auth.authentication import TokenUser
from shared.auth.permissions import RECENT, require_authentication
from shared.limits import ratelimit
from shared.limits.ratelimit import Hits, RateLimitPolicy
from users import revocation
from users.factors import policy
from users.limits.guess_limits import Client, LoginAttempt
from users.mail import notices
from users.models import User

WRONG = {"current_password": ["This is not the current password."]}


def authenticate(
    password: str, client: Client, *, site: str = "api", **names: str
) -> User | None:
    """Return the present user with this name and password, with roles and factors, or
    None. `email` wins over `username`. If `policy` asks for a factor, the login is not
    complete yet. The site `admin` accepts staff only: otherwise its limits would reveal
    right passwords of users who may not log in there. Raises RateLimited or Overloaded,
    and counts nothing then."""
    login = names.get("email", names.get("username", ""))
    user = User.objects.get_by_identifier(**names)
    with LoginAttempt(login, user, client, site=site) as attempt:
        attempt.spend()
        right, silent = False, attempt.is_silent
        # One hash with the current costs, also for wrong passwords and for unknown,
        # inactive, deleted and refused users (PWD-06).
        if user is None:
            User().set_password(password)
        else:
            right = user.check_password(password, upgrade=not silent) and not silent
        if user and right and user.is_present and (user.is_staff or site != "admin"):
            attempt.succeed(user)
            # The admin calls `note_login` when it opens the session.
            if site != "admin" and policy.is_enough(user, client.device):
                note_login(user, client)
            return user
        attempt.fail()
    return None


def note_login(user: User, client: Client) -> None:
    """Follow up a login once all factors were right: mail a notice of a new device, and
    set the time of the last login, at most once an hour."""
    notices.of_login(user, client)
    now = timezone.now()
    hour_ago = now - timedelta(hours=1)
    if user.last_login is None or user.last_login < hour_ago:
        older = Q(last_login=None) | Q(last_login__lt=hour_ago)
        User.objects.filter(older, pk=user.pk).update(last_login=now)


def change(user: User, caller: TokenUser, new: str, current: str | None = None) -> bool:
    """Set the password `new` and end all sessions but the caller's. False, with nothing
    done, if `current` does not prove who asks. Raises as `is_proved` does, and changes
    nothing then; InsufficientUserAuthentication also if the session of a user with
    factors has used none. A wrong `current` takes one hash, a right one two."""
    if policy.methods(user):
        require_authentication(caller, acr="aal2")
    proved = is_proved(user, caller, current)
    return proved and user.change_password(new, caller.sid)


def verify_current_password(user: User, password: str, session: str) -> bool:
    """Whether this is the password of a user who is logged in by `session`. The session
    may be stolen. Raises RateLimited or Overloaded, and counts nothing then."""
    policies = [
        # By session, so that a stolen one does not use up the limit of the others.
        RateLimitPolicy("PASSWORD_LIMIT_SESSION", str(user.pk), session),
        RateLimitPolicy("PASSWORD_LIMIT_USER", str(user.pk)),
    ]
    with Hits(user_id=str(user.pk)) as hits:
        hits.require(*policies)
        right = user.check_password(password)
    if right:
        ratelimit.clear(policies)
    return right


def is_proved(user: User, caller: TokenUser, password: str | None) -> bool:
    """Whether `password` is that of the user, who was found with factors. Raises
    InsufficientUserAuthentication if there is none and the session has not used a
    factor within five minutes; TokenRevoked, RateLimited, Overloaded."""
    revocation.require_session(user, caller)
    if user.has_usable_password():
        return verify_current_password(user, password or "", str(caller.sid))
    return require_authentication(caller, acr="aal2", max_age=RECENT)
