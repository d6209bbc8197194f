"""The ceremony of signing keys on the running stack: nothing is restarted, nobody is
logged out but by an emergency, and that takes hold within two seconds."""

import time

import pytest

from deploy.tests.client import TestUser, code_of
from deploy.tests.signing_keys import SEEN, key_set, kid_of, listed, published, stage
from deploy.tests.stack import System, wait_until


def pids(system: System) -> dict[str, int]:
    processes = system.status()["processes"]
    return {name: process["pid"] for name, process in processes.items()}


def works(user: TestUser) -> bool:
    return user.me().ok and user.verify().ok


def test_keys_are_rotated_without_a_restart_and_nobody_notices(
    system: System, user: TestUser, one_key: str
) -> None:
    before = pids(system)
    tag = key_set(system).headers["ETag"]
    old = user.access

    new = stage(system)
    wait_until(lambda: published(system) == {one_key, new}, SEEN, "the staged key")
    assert key_set(system, **{"If-None-Match": tag}).status_code == 200
    assert user.log_in().ok
    assert kid_of(user.access) == one_key

    system.run("keys", "activate", new, "--now")
    assert user.log_in().ok
    assert kid_of(user.access) == kid_of(user.cookie) == new
    assert works(user)
    assert user.me(old).ok
    assert user.verify(old).ok

    system.run("keys", "retire", one_key)
    time.sleep(SEEN)
    assert published(system) == {one_key, new}
    assert user.me(old).ok
    assert user.verify(old).ok

    assert pids(system) == before
    system.run("up")
    assert pids(system) == before


def test_a_refresh_token_of_a_retired_key_goes_on(
    system: System, user: TestUser, one_key: str
) -> None:
    """TOK-18."""
    new = stage(system)
    system.run("keys", "activate", new, "--now")
    system.run("keys", "retire", one_key)
    time.sleep(SEEN)
    assert kid_of(user.cookie) == one_key

    assert user.refresh().ok

    assert kid_of(user.access) == kid_of(user.cookie) == new
    assert works(user)


def test_a_key_is_not_used_before_others_may_know_it(
    system: System, one_key: str
) -> None:
    new = stage(system)

    with pytest.raises(AssertionError, match="may not know"):
        system.run("keys", "activate", new)

    assert listed(system) == {one_key: "active", new: "staged"}


def test_what_a_revoked_key_signed_is_refused_within_two_seconds(
    system: System, user: TestUser, one_key: str
) -> None:
    before = pids(system)
    assert works(user)
    bystander = TestUser(system, user.name)

    system.run("keys", "revoke", one_key)
    revoked = time.monotonic()

    # Whoever comes now is let in, and stays.
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
    assert pids(system) == before


def refused(user: TestUser) -> bool:
    """By every worker, at both doors."""
    answers = [ask() for _ in range(4) for ask in (user.me, user.verify)]
    assert {a.status_code for a in answers} <= {200, 401}, [a.text for a in answers]
    return all(not a.ok and code_of(a) == "token_invalid" for a in answers)


def test_who_has_the_key_set_is_told_so_through_the_gateway(system: System) -> None:
    first = key_set(system)
    assert first.headers["Cache-Control"] == "public, max-age=30"

    again = key_set(system, **{"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "public, max-age=30"
