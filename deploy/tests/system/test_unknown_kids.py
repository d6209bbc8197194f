"""Many tokens with invented kids, to a service that fetches its keys."""

import time
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from secrets import token_bytes
from typing import Any

import jwt

from deploy.tests.client import TestUser
from deploy.tests.stack import System
from deploy.tests.third_service import ThirdService
from shared.tests.forgery import part

FLOOD = 2000  # tokens, each with a kid of its own
AMONG = 10  # of so many tokens one is good
WORKERS = 2
COOLDOWN, LIFESPAN = 10, 30  # seconds: shared/keys/jwks_client.py


def made_up(token: str) -> str:
    kid = urlsafe_b64encode(token_bytes(32)).rstrip(b"=").decode()
    header: dict[str, Any] = {**jwt.get_unverified_header(token), "kid": kid}
    return ".".join([part(header), *token.split(".")[1:]])


def fetches(system: System) -> int:
    return system.log("auth").count('"message": "GET .well-known/jwks.json')


def test_a_flood_costs_next_to_no_requests_and_nobody_an_answer(
    system: System, user: TestUser, third: ThirdService
) -> None:
    assert third.who(user.access).ok
    before, started = fetches(system), time.monotonic()

    def ask(number: int) -> tuple[bool, int]:
        is_good = number % AMONG == 0
        token = user.access if is_good else made_up(user.access)
        return is_good, third.who(token).status_code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(FLOOD)))

    seconds = time.monotonic() - started
    assert {status for is_good, status in answers if is_good} == {200}
    # 503 while a fetch is under way: it may be a new key.
    refused = [status for is_good, status in answers if not is_good]
    assert set(refused) <= {401, 503}
    assert refused.count(401) > len(refused) / 2
    # In each worker one in a cooldown, and the regular ones.
    allowed = WORKERS * (2 + seconds // COOLDOWN + seconds // LIFESPAN)
    assert fetches(system) - before <= allowed
