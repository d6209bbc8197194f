"""What `manage.py doctor` asks of the admin's log-ins."""

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone

from shared.doctor import Context, Finding, probe
from shared.probes.database import waiting_rows


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
