"""Schemathesis along the links of both descriptions, as one: register, log in, look at
oneself, list the sessions, end one, and what else follows from what.

The other tests of the schema ask each operation apart, and mostly in vain. Here answers
are what requests are made of, and whoever has logged in goes on with their token.
"""

import logging
import re
import secrets
from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import Phase, settings
from schemathesis.generation.stateful import APIStateMachine
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.tests.stack import SERVICES, System
from deploy.tests.users import TIMEOUT, Person
from shared.tests.fuzzing import MORE

LOG = logging.getLogger(__name__)
SCENARIOS = 25 if MORE is None else int(MORE) // 10
STEPS = 12  # at most, of a scenario
WALK = [
    "POST /api/v1/users",
    "POST /api/v1/auth/login",
    "GET /api/v1/users/me",
    "GET /api/v1/auth/sessions",
    "DELETE /api/v1/auth/sessions/{session_id}",
]


def described(system: System) -> dict[str, Any]:
    """Both descriptions in one; components of one name are the same."""
    one: dict[str, Any] = {"paths": {}, "components": {}}
    for service in SERVICES:
        base = getattr(system, f"{service}_url")
        url = f"{base}/api/v1/{service}/openapi.json"
        found = requests.get(url, timeout=TIMEOUT).json()
        one = {**found, "paths": {**one["paths"], **found["paths"]}} | {
            "components": merged(one["components"], found["components"])
        }
    return within(one)


def merged(some: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    kinds = some.keys() | more.keys()
    for kind in some.keys() & more.keys():
        for name in some[kind].keys() & more[kind].keys():
            assert some[kind][name] == more[kind][name], name
    return {kind: {**some.get(kind, {}), **more.get(kind, {})} for kind in kinds}


def within(node: Any) -> Any:
    """The same, where references to the other description stay in this one."""
    if isinstance(node, dict):
        ref = str(node.get("operationRef", ""))
        here = {"operationRef": ref[ref.index("#") :]} if ref else {}
        return {name: within(value) for name, value in node.items()} | here
    return [within(each) for each in node] if isinstance(node, list) else node


def is_new_account(body: Any) -> bool:
    """Whether it is one that the service would take, by the look of the names."""
    if not isinstance(body, dict):
        return False
    name, email = body.get("username"), body.get("email")
    if not (isinstance(name, str) and isinstance(email, str)):
        return False
    return bool(re.fullmatch(r"[A-Za-z0-9._-]{3,50}", name) and "@" in email)


@pytest.fixture
def machine(system: System) -> type[APIStateMachine]:
    """Somebody who does one thing after the other."""
    schema = schemathesis.openapi.from_dict(described(system))

    class Client(schema.as_state_machine()):  # type: ignore[misc]
        tally: Counter[tuple[str, int]] = Counter()

        def setup(self) -> None:
            """A person who has just logged in; later log-ins take their place."""
            person = Person(system)
            assert person.register().ok
            assert person.log_in().ok
            self.access, self.cookie = person.access, person.cookie

        def before_call(self, case: Any) -> None:
            """Somebody new each time: what is generated may have been there before, and
            then hypothesis would find that the same steps lead elsewhere."""
            if case.operation.label == WALK[0] and is_new_account(case.body):
                name = f"{case.body['username'][:30]}{secrets.token_hex(6)}"
                case.body |= {"username": name, "email": f"{name[-12:]}@example.org"}

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            """The address of the service, its key, and what the log-in gave."""
            service = "users" if case.path.startswith("/api/v1/users") else "auth"
            headers = {"X-Internal-Api-Key": system.api_key(service)}
            if self.access and not case.path.endswith("/introspect"):
                headers["Authorization"] = f"Bearer {self.access}"
            if self.cookie:
                headers["Cookie"] = f"refresh_token={self.cookie}"
            base_url = getattr(system, f"{service}_url")
            return {"base_url": base_url, "headers": headers}

        def after_call(self, response: Any, case: Any) -> None:
            self.tally[case.operation.label, response.status_code] += 1
            for cookie in response.headers.get("set-cookie", []):
                self.cookie = cookie.partition(";")[0].partition("=")[2]
            if response.status_code == 200 and "access_token" in response.json():
                self.access = response.json()["access_token"]

        def validate_response(self, response: Any, case: Any, **kwargs: Any) -> None:
            assert response.status_code < 500, response.text
            case.validate_response(
                response,
                checks=[
                    status_code_conformance,
                    content_type_conformance,
                    response_headers_conformance,
                    response_schema_conformance,
                ],
            )

    return Client


@pytest.mark.fuzz
def test_what_follows_from_an_answer_is_as_described(machine: Any) -> None:
    machine.run(
        settings=settings(
            machine.TestCase.settings,
            max_examples=SCENARIOS,
            stateful_step_count=STEPS,
            derandomize=MORE is None,
            phases=[Phase.generate],
        )
    )
    LOG.info("%s", sorted(machine.tally.items()))
    went_well = {label for label, status in machine.tally if status < 300}
    if MORE is None:  # else by chance, which may leave a step out
        assert went_well >= {*WALK}, machine.tally
