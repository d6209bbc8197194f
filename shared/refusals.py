"""A start that is refused says why in one line, in place of a traceback.

Whoever starts a service reads its log from the end, and a supervisor writes the same
again with every attempt.
"""

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from django.conf import LazySettings


def in_one_line() -> None:
    """From now on, for what nobody catches: gunicorn and manage.py end by it alike."""
    sys.excepthook = tell


def tell(
    kind: type[BaseException], exc: BaseException, trace: TracebackType | None
) -> None:
    """Python's own hook, but for what a person can mend in the settings."""
    if isinstance(exc, ImproperlyConfigured):
        sys.stderr.write(f"ImproperlyConfigured: {' '.join(str(exc).split())}\n")
    else:
        sys.__excepthook__(kind, exc, trace)


def refuse_errors(settings: "LazySettings", forwarded_allow_ips: str) -> None:
    """What gunicorn asks before it listens, as it runs no system checks: key files,
    versions, and whom it was told to trust. Raises ImproperlyConfigured."""
    from shared.catalogue import CATALOGUE
    from shared.unsafe import trusts_everybody

    if settings.ENVIRONMENT == "development":
        return
    found = [m for m in checks.run_checks() if m.is_serious() and not m.is_silenced()]
    texts = [f"{m.msg} ({m.id})" for m in found]
    if trusts_everybody(forwarded_allow_ips):
        texts.append(f"{CATALOGUE['memo.E023'].what} (memo.E023)")
    if texts:
        raise ImproperlyConfigured(f"Not for production: {'; '.join(texts)}.")
