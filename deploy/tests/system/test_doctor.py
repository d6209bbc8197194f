"""`doctor` finds each fault that was injected into a running stack, by its id, and none
in a healthy one."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deploy.tests.stack import ROOT, System
from deploy.tests.system.injected_faults import INJECTED_FAULTS

Report = dict[tuple[str, str], str]
FOUND_WRONG = 3
# What a fault causes somewhere else.
FOLLOWS = {
    ("users", "database.create"),  # a superuser owns everything
    ("users", "database.owner"),
    ("users", "redis.policy"),  # one Redis
    ("users", "redis.persistence"),
    ("users", "redis.limit"),
    ("auth", "redis.strangers"),
}


def wrong(system: System, *words: str) -> Report:
    """The lines that say so, by where and by which name they were found."""
    done = subprocess.run(
        ["./manage_all.sh", "doctor", *words],
        cwd=ROOT,
        env={**os.environ, "MEMO_STACK": system.stack},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = re.findall(r"^(ok|note|WRONG) +(\w+): +(\S+) +(.+)$", done.stdout, re.M)
    places = {"gateway"} if words else {"machine", "auth", "users", "gateway"}
    assert {where for _, where, _, _ in lines} == places, done.stdout + done.stderr
    found = {
        (where, name): text for each, where, name, text in lines if each == "WRONG"
    }
    assert done.returncode == (FOUND_WRONG if found else 0)
    assert done.stdout.splitlines()[-1].startswith(f"{len(lines) - len(found)} ok, ")
    return found


@pytest.fixture(scope="module")
def report(system: System) -> Iterator[Report]:
    """All faults at once: each has an id of its own in the report, and a report takes
    seconds."""
    with ExitStack() as faults:
        for inject, *words in dict.fromkeys(INJECTED_FAULTS.values()):
            faults.enter_context(inject(system, *words))
        found = wrong(system)
    yield found
    assert system.status()["state"] == "ready"


@pytest.mark.parametrize("fault", INJECTED_FAULTS, ids="-".join)
def test_an_injected_fault_is_found(
    fault: tuple[str, str], report: Report, system: System
) -> None:
    """After an arrow it says what to do."""
    text = report[fault]
    assert re.fullmatch(r".+: .+ -> .+", text)
    for name in ("auth_users_service_api_key", "redis_admin_password"):
        assert system.secret(name) not in text


def test_nothing_is_wrong_that_was_not_injected(report: Report, system: System) -> None:
    """In a healthy stack nothing is wrong, nor from outside."""
    assert set(report) <= set(INJECTED_FAULTS) | FOLLOWS
    assert wrong(system) == wrong(system, "--url", system.gateway_url) == {}
