"""`doctor` finds each fault that was injected into a running stack, by its id, and none
in a healthy one."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deploy.tests.stack import ROOT, System
from deploy.tests.system.injected_faults import INJECTED_FAULTS, reload_gateway

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
    assert {where for _, where, _, _ in lines} >= {"gateway"}, done.stderr
    found = {
        (where, name): text for each, where, name, text in lines if each == "WRONG"
    }
    assert done.returncode == (FOUND_WRONG if found else 0)
    assert done.stdout.splitlines()[-1].startswith(f"{len(lines) - len(found)} ok, ")
    return found


@pytest.fixture(scope="module")
def reports(system: System) -> Iterator[tuple[Report, Report]]:
    """All faults at once: each has an id of its own in the report, and a report takes
    seconds. The second is by the address alone."""
    with ExitStack() as faults:
        faults.callback(reload_gateway, system)
        for inject in dict.fromkeys(INJECTED_FAULTS.values()):
            faults.enter_context(inject(system))
        reload_gateway(system)
        found = wrong(system), wrong(system, "--url", system.gateway_url)
    yield found
    assert system.status()["state"] == "ready"


@pytest.mark.parametrize("fault", INJECTED_FAULTS, ids="-".join)
def test_an_injected_fault_is_found(
    fault: tuple[str, str], reports: tuple[Report, Report], system: System
) -> None:
    """After an arrow it says what to do."""
    text = reports[0][fault]
    assert re.fullmatch(r".+: .+ -> .+", text)
    for name in ("auth_users_service_api_key", "redis_admin_password"):
        assert system.secret(name) not in text


def test_nothing_is_wrong_that_was_not_injected(
    reports: tuple[Report, Report], system: System
) -> None:
    """From outside, the gateway's faults are found with nothing but its address. In a
    healthy stack nothing is wrong."""
    inside, outside = reports
    assert set(inside) <= set(INJECTED_FAULTS) | FOLLOWS
    assert set(outside) == {fault for fault in INJECTED_FAULTS if fault[0] == "gateway"}
    assert wrong(system) == wrong(system, "--url", system.gateway_url) == {}
