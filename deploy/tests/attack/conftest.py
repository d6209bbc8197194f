"""The target, the accounts of the attackers and of their victim."""

import os
from pathlib import Path

import pytest

from deploy.tests.attack.target import AttackUser, Target, new_user

URL, KEYS, CA = "MEMO_ATTACK_URL", "MEMO_ATTACK_KEYS", "MEMO_ATTACK_CA"


def pytest_sessionstart() -> None:
    """Ends the run, exit status 2, if the target gives no answer over HTTP."""
    if os.environ.get(URL):
        target = named()
        try:
            target.ask("GET", "/api/v1/auth/health/live")
        except (OSError, AssertionError) as exc:
            pytest.exit(f"{target.origin} does not answer: {exc}", returncode=2)


def named() -> Target:
    """The deployment that the environment names."""
    files = filter(None, os.environ.get(KEYS, "").split(os.pathsep))
    keys = [Path(file).read_text().strip() for file in files]
    return Target(os.environ[URL], keys, os.environ.get(CA, ""))


@pytest.fixture(scope="session")
def target(request):
    """The deployment that MEMO_ATTACK_URL names, else the stack of the suite."""
    if os.environ.get(URL):
        return named()
    system = request.getfixturevalue("system")
    keys = [system.api_key(service) for service in ("auth", "users")]
    return Target(system.gateway_url, keys)


@pytest.fixture(scope="session")
def mallory(target):
    """The attacker, who has an account as anybody may."""
    return new_user(target)


@pytest.fixture(scope="session")
def victim(target):
    """Under attack. Session and account must outlive all attacks."""
    return new_user(target)


@pytest.fixture(scope="session")
def spare(target):
    return new_user(target)


@pytest.fixture
def user(request, target):
    """A user for one test alone, which may end their sessions. A new account, but where
    an address may register only so many in an hour."""
    if target.is_local:
        return new_user(target)
    found: AttackUser = request.getfixturevalue("spare")
    found.log_in()
    return found


@pytest.fixture(scope="session", autouse=True)
def unharmed(target, victim):
    """After all attacks: the victim's account is as it was, and so is the gateway."""
    unmoved = {"last_login_at": None}  # written once an hour
    before = {**victim.profile(), **unmoved}
    yield
    assert {**victim.profile(), **unmoved} == before
    response = target.ask("GET", "/api/v1/auth/health/ready")
    assert (response.status_code, response.json()["degraded"]) == (200, False)
