"""Guessing passwords, at every door: for the tests of the limits."""

from collections.abc import Callable
from typing import Any

from django.conf import settings as django_settings
from django.test import Client, override_settings

from shared.auth import device_cookie

HERE, THERE = "192.0.2.7", "203.0.113.9"
WRONG = "not the password"
NEW = "a newer horse battery"

Guess = Callable[..., Any]


def elsewhere(number):
    """An address in a network of its own."""
    return f"198.{number // 250}.{number % 250}.1"


def admin_log_in(email, password=WRONG, address=HERE, client=None):
    body = {"username": email, "password": password, "next": "/admin/"}
    headers = {"X-Real-IP": address}
    return (client or Client()).post("/admin/login/", body, headers=headers)


def device_of(user):
    """The device cookie after a login of this user."""
    return device_cookie.renew("", user)


def redis_unavailable():
    """Nothing listens at the address of Redis."""
    default = django_settings.CACHES["default"]
    dead = {"default": {**default, "LOCATION": "redis://127.0.0.1:1"}}
    return override_settings(CACHES=dead)


def statuses(answers):
    return [answer.status_code for answer in answers]


def events(caplog):
    return [r.event for r in caplog.records if r.name == "memo.audit"]
