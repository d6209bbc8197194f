"""What `ENVIRONMENT=production` refuses: unsafe settings, seen without any I/O."""

import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured

ENVIRONMENTS = ("production", "development")
MINIMUM_SECRET_KEY = 50  # characters, as Django's own check has it
ISSUER = re.compile(r"https://[^/?#\s]+(/[^?#\s]*)?")  # RFC 8414 section 2


def refuse_unsafe(settings: dict[str, Any]) -> None:
    """Raise ImproperlyConfigured with one line that names every unsafe setting."""
    if settings["ENVIRONMENT"] not in ENVIRONMENTS:
        raise ImproperlyConfigured(f"ENVIRONMENT must be one of {ENVIRONMENTS}.")
    if settings["ENVIRONMENT"] == "development":
        return
    secret_key = settings["SECRET_KEY"]
    origins = settings["CORS_ALLOWED_ORIGINS"]
    faults = {
        "DEBUG must be off": settings["DEBUG"],
        "SECRET_KEY is too short": len(secret_key) < MINIMUM_SECRET_KEY,
        "SECRET_KEY is an example": secret_key.startswith("django-insecure-"),
        "ALLOWED_HOSTS allows any host": "*" in settings["ALLOWED_HOSTS"],
        "COOKIE_SECURE must be on": not settings["COOKIE_SECURE"],
        "CORS_ALLOWED_ORIGINS allows any origin": "*" in origins,
        "ACCESS_TOKEN_LIFETIME is over an hour": settings["ACCESS_TOKEN_LIFETIME"]
        > 3600,
        "JWT_ISSUER is no https address": not ISSUER.fullmatch(settings["JWT_ISSUER"]),
        "JWT_LEEWAY is over a minute": settings["JWT_LEEWAY"] > 60,
    }
    found = [fault for fault, is_there in faults.items() if is_there]
    if found:
        raise ImproperlyConfigured(f"Not for production: {'; '.join(found)}.")
