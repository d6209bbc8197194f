"""What `manage.py doctor` asks of sessions."""

from datetime import timedelta

from django.utils import timezone

from shared.doctor import diagnostic
from tokens.models import Session

GRACE = timedelta(days=3)  # a day for which rows are kept, and two for the next run


@diagnostic(
    "sessions.expired",
    "no expired session waits to be deleted (DATA-11)",
    "Run ./manage_all.sh flushexpiredsessions every day.",
)
def expired_sessions() -> str:
    count = Session.objects.filter(expires_at__lt=timezone.now() - GRACE).count()
    return f"{count} do" if count else ""
