"""The signing keys of a running stack, by the commands and as everybody sees them."""

import re
from typing import Any

import jwt
import requests

from deploy.tests.stack import System, wait_until

SEEN = 2  # seconds: how late a change of the folders is seen, at most


def only(system: System) -> str:
    """Leave the active key alone with itself: its kid."""
    if len(published(system)) != 1:
        for kid, stage in listed(system).items():
            if stage != "active":
                system.run("keys", "revoke", kid)
        wait_until(lambda: len(published(system)) == 1, SEEN, "one key")
    (kid,) = published(system)
    return kid


def listed(system: System) -> dict[str, str]:
    lines = system.run("keys", "list").splitlines()
    rows = [re.fullmatch(r"([\w-]{43})  (\w+) .*", line) for line in lines]
    return {row[1]: row[2] for row in rows if row}


def key_set(system: System, **headers: str) -> requests.Response:
    url = f"{system.gateway_url}/.well-known/jwks.json"
    return requests.get(url, headers=headers, timeout=5)


def published(system: System) -> set[str]:
    """Of both workers: one may have looked earlier than the other."""
    sets = [{key["kid"] for key in key_set(system).json()["keys"]} for _ in range(8)]
    return sets[0] if all(each == sets[0] for each in sets) else set()


def kid_of(token: str) -> Any:
    return jwt.get_unverified_header(token)["kid"]


def stage(system: System) -> str:
    """The kid of a new key."""
    found = re.search(r"^([\w-]{43}) is published", system.run("keys", "stage"), re.M)
    assert found
    return found[1]


def max_age(system: System) -> int:
    """Seconds for which others may keep the key set."""
    return int(key_set(system).headers["Cache-Control"].rpartition("=")[2])
