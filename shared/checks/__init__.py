"""System checks of settings and keys: docs/operations/checks.md.

Production refuses to start with an error (OPS-01). No message has the text of a secret.
"""

from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured

# Registers the checks.
from shared.checks import http, keys, mail, policy, stores  # noqa: F401

# gunicorn.conf.py, the migrate step or our scripts read these, not the settings.
READ_ELSEWHERE = {"WORKER_TMP_DIR"}


def refuse_unsafe(*tags: str) -> None:
    """Raise ImproperlyConfigured, in one line with every id, if production may not
    start. Without tags all system checks run; this needs loaded apps."""
    if settings.ENVIRONMENT == "development":
        return
    if settings.ENVIRONMENT != "production":
        raise ImproperlyConfigured("ENVIRONMENT must be production or development.")
    found = run_checks(tags=tags or None, include_deployment_checks=True)
    found.sort(key=lambda message: str(message.id))
    errors = [
        f"{each.msg} ({each.id})"
        for each in filter(CheckMessage.is_serious, found)
        # Our own errors cannot be silenced.
        if str(each.id).startswith("memo.") or not each.is_silenced()
    ]
    if errors:
        raise ImproperlyConfigured(f"Not for production: {'; '.join(errors)}.")
