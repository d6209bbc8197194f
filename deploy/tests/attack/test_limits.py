"""Limits take effect, and a 429 names the wait (GW-05, BF-01, BF-03)."""

import os
import random

import pytest

from deploy.tests.attack.conftest import URL
from deploy.tests.attack.target import Target
from deploy.tests.client import (
    CHANGE_PASSWORD,
    LOGIN,
    REFRESH,
    REGISTER,
    Response,
    refused,
)
from deploy.tests.wire import WireClient, any_loopback

# Requests after which a limit that is not met is not there: the defaults let 11, 21
# and 6 through at once.
ENOUGH = 60
ACTS = [LOGIN, REFRESH, REGISTER, "/admin/login/", CHANGE_PASSWORD]


def limited(target: Target, path: str, forged: str = "") -> Response:
    """The refusal of the same act again and again, from one address. Skips on the stack
    of the suite, whose limits are raised."""
    source = any_loopback() if target.is_local else ""
    for _ in range(ENOUGH):
        headers = {"Content-Type": "application/json"}
        if forged:
            headers[forged] = ".".join(str(random.randint(1, 254)) for _ in range(4))
        response = WireClient.ask(target, "POST", path, headers, b"{}", source=source)
        if response.status_code == 429:
            return response
    give_up = pytest.fail if os.environ.get(URL) else pytest.skip
    give_up(f"LIMITS ARE RAISED, MISSING OR EVADED: no 429 in {ENOUGH} requests")


@pytest.mark.parametrize("path", ACTS)
def test_an_act_is_limited_by_address(target, path):
    response = limited(target, path)
    if path.startswith("/api/"):  # the admin answers with a page
        refused(response, 429, "rate_limited")
    assert 1 <= int(response.one("Retry-After")) <= 3_600
    assert response.one("Cache-Control") == "no-store"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_no_header_is_another_address(target, name):
    """BF-03: a new one with every request, and counted as one all the same."""
    limited(target, LOGIN, name)
