"""`manage.py doctor`: verdicts, and that a key goes to no impostor. What it finds in a
running stack is proved there: deploy/tests/system/operations/test_doctor.py."""

import time
from contextlib import suppress
from io import StringIO

import pytest
import requests
from django.core import checks
from django.core.management import call_command

from shared import doctor
from shared.diagnostics import peers

FINE = ["ok checks no system check finds an error"]


def report(*options: str) -> tuple[int, list[str]]:
    """The exit status, and the lines with single spaces."""
    out, status = StringIO(), 0
    try:
        call_command("doctor", *options, stdout=out)
    except SystemExit as end:
        status = int(end.code or 0)
    return status, [" ".join(line.split()) for line in out.getvalue().splitlines()]


@pytest.fixture
def only_ours(monkeypatch):
    """No checks but those that a test registers."""
    command = "shared.management.commands.doctor"
    registry = checks.registry.CheckRegistry()
    monkeypatch.setattr(f"{command}.autodiscover_modules", lambda name: None)
    monkeypatch.setattr(doctor, "register", registry.register)
    monkeypatch.setattr(f"{command}.run_checks", registry.run_checks)


@pytest.mark.parametrize(
    ("found", "note", "status", "line"),
    [
        ("", False, 0, "ok some.thing it is so"),
        (
            None,
            False,
            0,
            "note some.thing it is so: this could not be examined -> do this",
        ),
        ("this", True, 0, "note some.thing it is so: this -> do this"),
        ("that", False, 3, "WRONG some.thing it is so: that -> do this"),
    ],
)
def test_only_what_is_wrong_is_an_exit_status(only_ours, found, note, status, line):
    doctor.diagnostic("some.thing", "it is so", "do this", note=note)(lambda: found)

    assert report() == (status, [*FINE, line])
    # Only where databases are named: no other command needs a running service.
    assert report("--checks") == (0, FINE)


def test_one_that_breaks_is_a_finding_and_the_next_still_runs(only_ours):
    @doctor.diagnostic("broken", "it is so", "do this")
    def broken():
        raise OSError("password=canary")

    doctor.diagnostic("whole", "it is so, too", "do this")(lambda: "")

    fault = "it is so: not examined because of OSError -> do this"
    lines = [*FINE, f"WRONG broken {fault}", "ok whole it is so, too"]
    assert report() == (3, lines)


def test_without_a_running_stack_the_system_checks_run_alone(settings, tmp_path):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path
    status, (found,) = report("--checks")

    assert status == 3
    assert found.startswith("WRONG memo.E003 ")
    assert "keys list" in found


def test_a_clock_may_be_off_by_the_leeway():
    for seconds in (0, -10, 10):
        assert doctor.clock_fault(time.time() + seconds) == ""
    assert doctor.clock_fault(time.time() + 13) != ""


@pytest.mark.parametrize("body", [b'{"service": "users"}', b"[]", b"<html>", b"{}"])
def test_what_does_not_answer_as_the_service_gets_no_key(auth_service, body):
    auth_service.always(200, body)

    with suppress(requests.JSONDecodeError):
        assert peers.key_fault("auth") != ""
    (request,) = auth_service.received
    assert "X-Internal-Api-Key" not in request["headers"]
