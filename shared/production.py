"""What `ENVIRONMENT=production` refuses: unsafe settings, seen without I/O (OPS-01).

Asked when all settings are there, a service's own too (`SharedConfig.ready`): so by
gunicorn, by every manage.py command, and by both in a container.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shared import unsafe
from shared.catalogue import CATALOGUE

ENVIRONMENTS = ("production", "development")

# Whether a setting breaks the rule, or the names of those that do.
Broken = Callable[[Any], bool | Iterable[str]]

RULES: dict[str, Broken] = {
    "memo.E001": unsafe.short_api_keys,
    "memo.E002": unsafe.is_one_key_for_both,
    "memo.E005": unsafe.empty_names,
    "memo.E006": unsafe.hosts_with_underscore,
    "memo.E010": lambda settings: settings.DEBUG,
    "memo.E011": unsafe.has_weak_secret_key,
    "memo.E012": unsafe.has_any_host,
    "memo.E013": unsafe.weak_api_keys,
    "memo.E014": unsafe.has_other_algorithm,
    "memo.E015": unsafe.is_no_issuer,
    "memo.E016": lambda settings: settings.ACCESS_TOKEN_LIFETIME > 3600,
    "memo.E017": lambda settings: settings.JWT_LEEWAY > 60,
    "memo.E018": unsafe.has_open_cookies,
    "memo.E019": unsafe.allows_any_origin,
    "memo.E020": unsafe.has_fast_hash,
    "memo.E021": unsafe.ignores_exceptions,
    "memo.E022": unsafe.has_usual_password,
    "memo.E023": lambda settings: unsafe.trusts_everybody(settings.FORWARDED_ALLOW_IPS),
    "memo.E024": unsafe.is_browsable,
    "memo.E025": unsafe.limits_that_are_off,
}


# Wrong in development too, where `check` says so and the service starts.
ALWAYS_WRONG = ("memo.E001", "memo.E002", "memo.E005", "memo.E006")


def faults(settings: Any) -> dict[str, str]:
    """What production would refuse: text by id, each naming the setting, no secret."""
    found = {}
    for identity, is_broken in RULES.items():
        broken = is_broken(settings)
        names = [] if isinstance(broken, bool) else list(broken)
        if broken is True or names:
            text = CATALOGUE[identity].what
            found[identity] = f"{text}: {', '.join(names)}" if names else text
    return found


def refuse_unsafe(settings: Any) -> None:
    """Raise ImproperlyConfigured with one line that names every unsafe setting."""
    if settings.ENVIRONMENT not in ENVIRONMENTS:
        raise ImproperlyConfigured(f"ENVIRONMENT must be one of {ENVIRONMENTS}.")
    if settings.ENVIRONMENT == "development":
        return
    if found := faults(settings):
        told = "; ".join(f"{text} ({identity})" for identity, text in found.items())
        raise ImproperlyConfigured(f"Not for production: {told}.")
