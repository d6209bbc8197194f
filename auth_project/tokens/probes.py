"""What `manage.py doctor` asks of sessions."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from shared.doctor import Context, Finding, probe
from shared.probes.database import waiting_rows
from tokens.models import Session


@probe
def expired_sessions(context: Context) -> Iterator[Finding]:
    gone = timezone.now() - timedelta(days=3)  # a day kept, a day until the next run
    count = Session.objects.filter(expires_at__lt=gone).count()
    yield waiting_rows(
        "sessions.expired",
        "expired session",
        count,
        "./manage_all.sh flushexpiredsessions",
    )
