"""What `manage.py doctor` asks of the admin's logins and of roles."""

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone

from shared.auth.access_tokens import MAX_LENGTH
from shared.doctor import NOTE, OK, Context, Finding, probe
from shared.probes.database import waiting_rows
from users.models import User

# Characters of JSON. Of a token three quarters are what base64 encodes; the rest of it
# takes 1,500 characters. Noted before it comes to that.
ROOM_FOR_ROLES = (MAX_LENGTH - 1500) * 3 // 4
NOTED_FROM = 0.8


@probe
def expired_admin_sessions(context: Context) -> Iterator[Finding]:
    """Given a day, as those of people are."""
    gone = timezone.now() - timedelta(days=2)
    count = Session.objects.filter(expire_date__lt=gone).count()
    yield waiting_rows(
        "admin.expired",
        "expired log-in of the admin",
        count,
        "./manage_all.sh clearsessions",
    )


@probe
def roles_fit_into_tokens(context: Context) -> Iterator[Finding]:
    """A token that is longer than services take is issued without roles."""
    longest = User.objects.longest_roles()
    fits = longest < NOTED_FROM * ROOM_FOR_ROLES
    yield Finding(
        "roles.length",
        OK if fits else NOTE,
        f"the longest roles of a user take {longest} of {ROOM_FOR_ROLES} characters",
        "" if fits else "Fewer or shorter roles; beyond that tokens name none of them.",
    )
