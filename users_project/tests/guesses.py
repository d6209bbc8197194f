"""Guessing passwords, at every door: for the tests of the limits."""

from django.test import Client

from shared.auth import device_cookie, session_state
from shared.limits import ratelimit
from tests.factories import WRONG

HERE, THERE = "192.0.2.7", "203.0.113.9"


def elsewhere(number):
    """An address in a network of its own."""
    return f"198.{number // 250}.{number % 250}.1"


def admin_log_in(email, password=WRONG, address=HERE, client=None, target="/admin/"):
    body = {"username": email, "password": password, "next": target}
    headers = {"X-Real-IP": address}
    return (client or Client()).post("/admin/login/", body, headers=headers)


def device_of(user):
    """The device cookie after a login of this user."""
    return device_cookie.renew("", user)


def counted():
    """What is counted in Redis: its value and its seconds to live, by key."""
    redis = session_state.connection()
    keys = list(redis.scan_iter(f"{ratelimit.prefix()}:*"))
    return {key.decode(): (int(redis.get(key)), redis.ttl(key)) for key in keys}


def statuses(answers):
    return [answer.status_code for answer in answers]
