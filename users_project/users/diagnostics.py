"""Diagnostics of roles, factors, jobs and mails for `manage.py doctor`."""

from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Length
from django.utils import timezone

from shared.doctor import diagnostic
from users.factors import secrets
from users.jobs import queue_state
from users.mail.models import Mail
from users.models import Role, User
from users.roles import LONGEST_ROLE_NAME


@diagnostic(
    "roles.length",
    "the roles of every user fit into an access token",
    "Use fewer or shorter roles. Beyond the limit, tokens have no roles.",
    note=True,
)
def long_roles() -> str:
    return User.objects.all().near_limit()


@diagnostic(
    "roles.names",
    f"no role's name is longer than {LONGEST_ROLE_NAME} characters",
    "Rename them in the admin. They work, but the admin saves only shorter names.",
    note=True,
)
def long_role_names() -> str:
    longer = Role.objects.annotate(length=Length("name"))
    count = longer.filter(length__gt=LONGEST_ROLE_NAME).count()
    return f"{count} are longer, made by an earlier version" if count else ""


@diagnostic(
    "factors.roles",
    "every role of SECOND_FACTOR_ROLES exists",
    "Correct the setting, or add the role: no user needs a second factor for it now.",
    note=True,
)
def missing_factor_roles() -> str:
    roles = Role.objects.values_list("name", flat=True)
    return ", ".join(sorted({*settings.SECOND_FACTOR_ROLES}.difference(roles)))


@diagnostic(
    "factors.keys",
    "FACTOR_KEYS_DIR has keys that can be read (keep them with your backups)",
    "Restore the folder from a backup. Without it no authenticator app works.",
)
def missing_factor_keys() -> str:
    try:
        secrets.keys()
    except secrets.KeyFault as exc:
        return str(exc)
    return ""


@diagnostic(
    "factors.secrets",
    "the keys decrypt every secret of an authenticator app",
    "Restore older keys from a backup. Without one, reset these users' factors.",
)
def lost_factor_secrets() -> str:
    lost = secrets.count_lost()
    return f"{lost} cannot be decrypted" if lost else ""


@diagnostic(
    "jobs.worker",
    "a worker runs",
    "Start users-worker. Until then mails wait; none is lost.",
)
def silent_worker() -> str:
    state = queue_state()
    if state.heartbeat is None:
        return "none has ever reported, or the last has ended"
    return "" if state.is_attended else f"silent for {state.heartbeat}"


@diagnostic(
    "jobs.wait",
    "jobs are done within five minutes",
    "The log of users-worker says why.",
)
def late_job() -> str:
    state = queue_state()
    return f"the next has waited for {state.waiting}" if state.is_late else ""


@diagnostic(
    "mail.waiting",
    "no mail waits for more than five minutes",
    "See the worker, and try the mail server: ./manage_all.sh doctor --mail ADDRESS",
)
def waiting_mails() -> str:
    late = timezone.now() - timedelta(minutes=5)
    waiting = Mail.objects.filter(sent_at=None, failed_at=None, created_at__lt=late)
    faults = sorted(set(waiting.values_list("last_error", flat=True)) - {""})
    count, names = waiting.count(), ", ".join(faults)
    return f"{count} wait{f' ({names})' if names else ''}" if count else ""
