"""`doctor` finds each fault that was injected into a running stack, by its id, and none
in a healthy one."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from deploy.tests.stack import ROOT, System
from deploy.tests.system.injected_faults import INJECTED_FAULTS, reload_gateway

Report = dict[tuple[str, str], dict[str, Any]]
FOUND_WRONG = 3


def doctor(system: System, *words: str, status: int = 0) -> str:
    done = subprocess.run(
        ["./manage_all.sh", "doctor", *words],
        cwd=ROOT,
        env={**os.environ, "MEMO_STACK": system.stack},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def report(system: System, *words: str, status: int = 0) -> Report:
    """The findings, by where and by which name they were found."""
    found = json.loads(doctor(system, "--json", *words, status=status))
    return {(each["where"], each["id"]): each for each in found}


def wrong(findings: Report) -> set[tuple[str, str]]:
    return {key for key, each in findings.items() if each["verdict"] == "WRONG"}


class Reports(NamedTuple):
    injected: Report
    outside: Report


@pytest.fixture(scope="module")
def reports(system: System) -> Iterator[Reports]:
    """All faults at once: each has an id of its own in the report, and a report takes
    seconds."""
    # Later, `status` would look for a service at the address that is a fault.
    [master], address = system.pids("gateway"), ("--url", system.gateway_url)
    with ExitStack() as faults:
        faults.callback(reload_gateway, master)
        for inject in dict.fromkeys(INJECTED_FAULTS.values()):
            faults.enter_context(inject(system))
        reload_gateway(master)
        ill = report(system, status=FOUND_WRONG)
        outside = report(system, *address, status=FOUND_WRONG)
    yield Reports(ill, outside)
    assert system.status()["state"] == "ready"


def test_a_stack_that_is_well_has_nothing_wrong(system: System) -> None:
    """A finding is a line: what was seen, and after an arrow what to do."""
    found = report(system)
    assert wrong(found) == set()
    assert len(found) > 50
    lines = doctor(system, "--url", system.gateway_url).splitlines()
    assert all(x.split()[0] in ("ok", "note") for x in lines[:-1])
    assert any("gateway: cookie" in line for line in lines)
    assert "0 WRONG" in lines[-1]


@pytest.mark.parametrize("fault", INJECTED_FAULTS, ids="-".join)
def test_an_injected_fault_is_found(
    fault: tuple[str, str], reports: Reports, system: System
) -> None:
    found = reports.injected[fault]
    assert found["verdict"] == "WRONG", found
    assert found["text"]
    assert found["advice"]
    for name in ("auth_users_service_api_key", "redis_admin_password"):
        assert system.secret(name) not in str(found)


def test_nothing_is_wrong_that_was_not_injected(
    reports: Reports, system: System
) -> None:
    """What a fault causes somewhere else is listed here, with the fault. Afterwards
    nothing is wrong."""
    follows = {
        ("auth", "keys.published"),  # a signing key that is not published
        ("users", "database.create"),  # a superuser owns everything
        ("users", "database.owner"),
        ("users", "redis.policy"),  # one Redis
        ("users", "redis.persistence"),
        ("users", "redis.limit"),
        ("auth", "redis.strangers"),
    }
    assert wrong(reports.injected) <= set(INJECTED_FAULTS) | follows
    assert wrong(report(system)) == set()


def test_from_outside_the_gateways_faults_are_found_with_nothing_but_its_address(
    reports: Reports,
) -> None:
    """All but the client's address, which only the services' logs tell."""
    seen = {key for key in wrong(reports.injected) if key[0] == "gateway"}
    closed_schema = {("gateway", "schema")}  # from outside it may be intended
    logs_alone = {("gateway", "client_address")}
    assert wrong(reports.outside) == seen - closed_schema - logs_alone
    assert {where for where, _ in reports.outside} == {"gateway"}
    assert reports.outside["gateway", "client_address"]["verdict"] == "note"
