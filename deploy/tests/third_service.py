"""A third service next to the stack: its own process, keys from the JWK Set."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.tests.client import ApiClient, Response
from deploy.tests.extra_services import running
from deploy.tests.stack import ROOT, System

PROJECT = Path(__file__).parent / "reports_project"
APP = "django.core.wsgi:get_wsgi_application()"


class ThirdService:
    """What others may ask of it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def who(self, token: str) -> Response:
        headers = {"Authorization": f"Bearer {token}"}
        return ApiClient(self.url).get("/api/v1/reports/who", headers=headers)  # type: ignore[return-value]


@contextmanager
def third_service(system: System) -> Iterator[ThirdService]:
    """Running under gunicorn, as long as the block lasts."""
    with running("reports", PROJECT, settings(system), APP, "live") as url:
        yield ThirdService(url)


def settings(system: System) -> dict[str, str]:
    """The User Service's: it, too, only reads session keys. The database is never
    asked."""
    given = system.settings("users")
    for name in given:
        if name.endswith("_FILE"):
            given[name] = str((ROOT / "users_project" / given[name]).resolve())
    for name in ("JWT_PUBLIC_KEYS_DIR", "BIND"):
        given.pop(name, None)
    return {
        **given,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": os.devnull,
        "JWT_JWKS_URL": f"{system.auth_url}/.well-known/jwks.json",
    }
