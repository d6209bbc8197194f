"""All keys are rotated while they are in use: no client is refused (S2S-01, TOK-18).

The steps of a rotation, and that one that is interrupted, or meets a service that
hangs, costs nothing either, are in deploy/tests/local/test_rotation.py.
"""

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from deploy.tests.client import (
    VERIFY,
    ApiClient,
    TestUser,
    at_once,
    claims_of,
    code_of,
    internal,
)
from deploy.tests.extra_services import ThirdService
from deploy.tests.signing_keys import kid_of, listed, max_age, published, stage
from deploy.tests.stack import SERVICES, System

USERS, PAUSE = 20, 0.2  # seconds from one request of a user to the next
RATE = 50  # requests a second, at least
CALLS = 12  # of one kind: more than there are workers, any of which may answer
USUAL = ("me", "sessions", "verify", "refresh", "me", "verify", "me", "refresh")
# One user does this. A login costs a password hash: many at once would be refused.
ROUND = (*USUAL, "log_out", "log_in")
DIRECTIONS = ("auth_users", "users_auth")


def use(user: TestUser, acts: Sequence[str], ending: threading.Event) -> int:
    """One thing after the other, on a connection that stays open: how many. Nothing is
    tried a second time."""
    begin, done = random.randrange(len(acts)), 0
    ending.wait(random.uniform(0, PAUSE))
    with ApiClient(keep_alive=True) as user.http:
        while not ending.wait(PAUSE):
            act = acts[(begin + done) % len(acts)]
            response = getattr(user, act)()
            assert response.ok, (act, response.status_code, response.text)
            done += 1
    return done


def codes(witness: TestUser, direction: str, key: str) -> set[str]:
    """Of the answers of all workers to a call with the key."""
    method, path = "GET", f"/api/v1/users/{claims_of(witness.access)['sub']}"
    if direction.endswith("_auth"):
        method, path = "POST", VERIFY
    headers, body = {"X-Internal-Api-Key": key}, {"token": witness.access}
    call = partial(internal, witness.system, method, path, headers, json=body)
    answers = at_once([call] * CALLS)
    return {"" if answer.ok else code_of(answer) for answer in answers}


def rotate_api_keys(system: System, witness: TestUser) -> None:
    names = {each: f"{each}_service_api_key" for each in DIRECTIONS}
    before = {each: system.secret(name) for each, name in names.items()}
    system.run("rotateapikeys")
    for direction, key in before.items():
        new = system.secret(names[direction])
        assert codes(witness, direction, new) == {""}
        assert codes(witness, direction, key) == {"service_auth_failed"}


def activate_and_retire(
    system: System, witness: TestUser, third: ThirdService, old: str, new: str
) -> None:
    """The end of the rotation, as a user sees it who stays logged in."""
    assert kid_of(witness.access) == old
    assert third.who(witness.access).ok
    system.run("keys", "activate", new)
    assert third.who(witness.access).ok
    assert witness.refresh().ok
    assert kid_of(witness.access) == new
    assert third.who(witness.access).ok
    system.run("keys", "retire", old)
    assert listed(system) == {old: "retired", new: "active"}
    assert published(system) == {old, new}


@pytest.fixture
def processes(healthy):
    """Asks which there are. No worker is near the 20,000 requests after which gunicorn
    replaces it."""
    for service in SERVICES:
        healthy.run("restart", service)
    return lambda: [healthy.family(service) for service in SERVICES]


@pytest.mark.verify
def test_rotations_under_load_cost_no_client_an_answer(
    processes, user, healthy, register, third, one_key
):
    users = [register() for _ in range(USERS)]
    assert all(each.log_in().ok for each in users)
    assert user.log_in().ok
    before, ending, begun = processes(), threading.Event(), time.monotonic()
    with ThreadPoolExecutor(USERS) as pool:
        using = [pool.submit(use, users[0], ROUND, ending)]
        using += [pool.submit(use, each, USUAL, ending) for each in users[1:]]
        try:
            new = stage(healthy)
            may_be_activated = time.monotonic() + max_age(healthy) + 10 + 1
            rotate_api_keys(healthy, user)
            time.sleep(max(0.0, may_be_activated - time.monotonic()))
            activate_and_retire(healthy, user, third, one_key, new)
            time.sleep(10)  # with the new keys alone
        finally:
            ending.set()
    assert sum(each.result() for each in using) >= RATE * (time.monotonic() - begun)
    assert healthy.run("up").startswith("memo: already up")
    assert processes() == before
