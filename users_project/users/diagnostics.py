"""What `manage.py doctor` asks of the admin's sessions."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.core.checks import Tags
from django.utils import timezone

from shared.doctor import diagnostic

GRACE = timedelta(days=2)  # for the next run


@diagnostic(
    Tags.database,
    "admin.expired",
    "no expired session of the admin waits to be deleted (DATA-11)",
    "Run ./manage_all.sh clearsessions every day.",
)
def expired_sessions() -> str:
    count = Session.objects.filter(expire_date__lt=timezone.now() - GRACE).count()
    return f"{count} do" if count else ""
