"""The API keys of a running stack: what is presented, what is taken, their rotation."""

import os
import subprocess
from dataclasses import dataclass

from requests import Response

from deploy.tests.client import TestUser, claims_of, code_of, internal
from deploy.tests.stack import ROOT, System

SEEN = 3.0  # seconds after which every worker knows what a file says
CALLS = 12  # of one kind: more than there are workers, any of which may answer


@dataclass
class Direction:
    """From one service to the other, and a call that the one may make."""

    system: System
    witness: TestUser
    caller: str
    callee: str

    @property
    def presented(self) -> str:
        return self.system.secret(f"{self.caller}_{self.callee}_service_api_key")

    @property
    def accepted(self) -> list[str]:
        items = self.system.secret(f"{self.callee}_internal_api_keys").split(",")
        return [item.partition("=")[2] for item in items]

    def call(self, key: str) -> Response:
        headers = {"X-Internal-Api-Key": key}
        if self.callee == "auth":
            path, body = "/api/v1/auth/verify_token", {"token": self.witness.access}
            return internal(self.system, "POST", path, headers, json=body)
        user_id = claims_of(self.witness.access)["sub"]
        return internal(self.system, "GET", f"/api/v1/users/{user_id}", headers)

    def takes(self, key: str) -> bool:
        """Whether every worker does."""
        return all(self.call(key).status_code == 200 for _ in range(CALLS))

    def refuses(self, key: str) -> bool:
        answers = [self.call(key) for _ in range(CALLS)]
        return {(a.status_code, code_of(a)) for a in answers} == {
            (401, "service_auth_failed")
        }


def rotation(system: System, *words: str) -> subprocess.Popen[str]:
    """`rotateapikeys`, begun."""
    return subprocess.Popen(
        ["./manage_all.sh", "rotateapikeys", *words],
        cwd=ROOT,
        env={**os.environ, "MEMO_STACK": system.stack},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def all_accept_two(both: list[Direction]) -> bool:
    return all(len(each.accepted) == 2 for each in both)


def all_present_the_next(both: list[Direction]) -> bool:
    return all(each.presented == each.accepted[-1] for each in both)


def assert_rotated(both: list[Direction], old: list[str]) -> None:
    for each, key in zip(both, old, strict=True):
        assert each.presented != key
        assert each.accepted == [each.presented]
        assert each.takes(each.presented)
        assert each.refuses(key)
