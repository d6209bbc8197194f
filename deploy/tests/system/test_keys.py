"""The rotation of signing keys on the running stack: nothing is restarted, no user is
logged out but by an emergency, and that takes hold within two seconds."""

import time
from collections.abc import Iterator

import pytest

from deploy.tests.client import TestUser, code_of
from deploy.tests.signing_keys import SEEN, key_set, kid_of, published, stage
from deploy.tests.stack import System, wait_until


@pytest.fixture(autouse=True)
def _same_processes(system: System) -> Iterator[None]:
    """`up` finds nothing to do, either."""
    before = pids(system)
    yield
    system.run("up")
    assert pids(system) == before


def pids(system: System) -> dict[str, int]:
    processes = system.status()["processes"]
    return {name: process["pid"] for name, process in processes.items()}


def works(user: TestUser, token: str = "") -> bool:
    token = token or user.access
    return user.me(token).ok and user.verify(token).ok


def test_keys_are_rotated_and_no_user_notices(
    system: System, user: TestUser, one_key: str
) -> None:
    """TOK-18."""
    tag = key_set(system).headers["ETag"]
    other, old = TestUser(system, user.name), user.access
    assert other.log_in().ok

    new = stage(system)
    wait_until(lambda: published(system) == {one_key, new}, SEEN, "the staged key")
    assert key_set(system, **{"If-None-Match": tag}).status_code == 200
    assert user.log_in().ok
    assert kid_of(user.access) == one_key

    system.run("keys", "activate", new, "--now")
    assert user.log_in().ok
    assert kid_of(user.access) == kid_of(user.cookie) == new
    assert works(user)
    assert works(user, old)

    system.run("keys", "retire", one_key)
    time.sleep(SEEN)
    assert published(system) == {one_key, new}
    assert works(user, old)
    assert kid_of(other.cookie) == one_key
    assert other.refresh().ok
    assert kid_of(other.access) == kid_of(other.cookie) == new
    assert works(other)


def test_what_a_revoked_key_signed_is_refused_within_two_seconds(
    system: System, user: TestUser, one_key: str
) -> None:
    assert works(user)
    bystander = TestUser(system, user.name)

    system.run("keys", "revoke", one_key)
    revoked = time.monotonic()

    # A login that comes now succeeds, and lasts.
    assert bystander.log_in().ok
    assert kid_of(bystander.access) != one_key
    assert works(bystander)
    left = revoked + SEEN - time.monotonic()
    wait_until(lambda: refused(user), left, "refusal of what it signed")
    until = time.monotonic() + SEEN
    while time.monotonic() < until:
        assert refused(user)
        assert works(bystander)
    assert code_of(user.refresh()) == "token_invalid"
    assert published(system) == {kid_of(bystander.access)}
    assert user.log_in().ok
    assert works(user)


def refused(user: TestUser) -> bool:
    """By every worker, at both doors."""
    answers = [ask() for _ in range(4) for ask in (user.me, user.verify)]
    assert {a.status_code for a in answers} <= {200, 401}, [a.text for a in answers]
    return all(not a.ok and code_of(a) == "token_invalid" for a in answers)


def test_the_gateway_passes_on_that_a_key_set_has_not_changed(system: System) -> None:
    first = key_set(system)
    again = key_set(system, **{"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    for answer in (first, again):
        assert answer.headers["Cache-Control"] == "public, max-age=30"
