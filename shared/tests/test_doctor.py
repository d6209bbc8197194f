"""`manage.py doctor`: verdicts, and that a key goes to no impostor. What it finds in a
running stack is proved there: deploy/tests/system/test_doctor.py."""

import json
import time
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core import checks
from django.core.management import call_command

from shared import diagnostics, doctor
from shared.diagnostics import peers, redis
from shared.management.commands.doctor import line as finding_line

SECRET = "canary"
FINE = {"id": "checks", "verdict": "ok", "text": "no system check finds an error"}


def report(*options: str) -> tuple[int, list[dict[str, str]]]:
    out = StringIO()
    status = 0
    try:
        call_command("doctor", "--json", *options, stdout=out)
    except SystemExit as end:
        status = int(end.code or 0)
    return status, json.loads(out.getvalue())


@pytest.fixture
def only_ours(monkeypatch):
    """No checks but those that a test registers."""
    command = "shared.management.commands.doctor"
    registry = checks.registry.CheckRegistry()
    monkeypatch.setattr(f"{command}.autodiscover_modules", lambda name: None)
    monkeypatch.setattr(doctor, "register", registry.register)
    monkeypatch.setattr(f"{command}.run_checks", registry.run_checks)


@pytest.mark.parametrize(
    ("found", "note", "verdict", "status"),
    [
        ("", False, "ok", 0),
        ("this", True, "note", 0),
        ("that", False, "WRONG", 3),
    ],
)
def test_only_what_is_wrong_is_an_exit_status(only_ours, found, note, verdict, status):
    doctor.diagnostic("some.thing", "it is so", "do this", note=note)(lambda: found)
    text = f"it is so: {found}" if found else "it is so"
    advice = "do this" if found else ""
    ours = {"id": "some.thing", "verdict": verdict, "text": text, "advice": advice}

    assert report() == (status, [FINE | {"advice": ""}, ours])
    # Only where databases are named: no other command needs a running service.
    assert report("--checks") == (0, [FINE | {"advice": ""}])
    line = " ".join(finding_line(ours).split())
    assert line == f"{verdict} some.thing {text}" + (" -> do this" if found else "")


def test_one_that_breaks_is_a_finding_and_the_next_still_runs(only_ours):
    @doctor.diagnostic("broken", "it is so", "do this")
    def broken():
        raise OSError(f"password={SECRET}")

    doctor.diagnostic("whole", "it is so, too", "do this")(lambda: "")
    status, found = report()

    verdicts = [(each["id"], each["verdict"]) for each in found[1:]]
    assert (status, verdicts) == (3, [("broken", "WRONG"), ("whole", "ok")])
    assert "OSError" in found[1]["text"]
    assert SECRET not in json.dumps(found)


def test_without_a_running_stack_the_system_checks_run_alone(settings, tmp_path):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path
    status, (found,) = report("--checks")

    assert (status, found["id"]) == (3, "memo.E003")
    assert "keys list" in found["advice"]


def test_the_password_of_redis_administrator_comes_from_its_file(only_ours, tmp_path):
    (tmp_path / "password").write_text(f"{SECRET}\n")
    length = lambda: str(len(doctor.redis_admin_password.get()))  # noqa: E731
    doctor.diagnostic("password", "length", "", note=True)(length)

    path = str(tmp_path / "password")
    assert report("--redis-admin-password-file", path)[1][1]["text"] == "length: 6"


PRIVATE = ["127.0.0.1", "::1", "10.1.2.3", "fd00::1", "localhost", "unix"]
PUBLIC = ["8.8.8.8", "2001:4860::1", "0.0.0.0", "::", "memo.example"]  # noqa: S104


@pytest.mark.parametrize("address", [*PRIVATE, *PUBLIC])
def test_gunicorn_listens_where_only_the_gateway_comes(
    monkeypatch, settings, tmp_path, address
):
    monkeypatch.setattr(diagnostics, "CONTAINER", (tmp_path / "no",))
    settings.BIND = f"[{address}]:8000" if ":" in address else f"{address}:8000"
    assert (diagnostics.bind() == "") is (address in PRIVATE)
    # In a container every address is its own.
    monkeypatch.setattr(diagnostics, "CONTAINER", (tmp_path,))
    assert (diagnostics.bind() == "") is (address in [*PRIVATE, *PUBLIC[2:4]])


def test_a_clock_may_be_off_by_the_leeway():
    for seconds in (0, -10, 10):
        assert doctor.clock_fault(time.time() + seconds) == ""
    assert doctor.clock_fault(time.time() + 13) != ""


@pytest.mark.parametrize("body", [b'{"service": "users"}', b"[]", b"<html>", b"{}"])
def test_what_does_not_answer_as_the_service_gets_no_key(auth_service, body):
    auth_service.answer(200, body)

    assert peers.key_fault("auth") != ""
    (request,) = auth_service.requests
    assert "X-Internal-Api-Key" not in request["headers"]


@pytest.mark.parametrize(
    ("version", "text"),
    [("7.0.15", "7.0.15"), ("7.2.11", ""), ("7.2.10", "7.2.10"), ("7.4.9", "")],
)
def test_an_old_redis_is_a_note(monkeypatch, version, text):
    hello = {b"server": b"redis", b"version": version.encode()}
    client = SimpleNamespace(execute_command=lambda name: hello)
    monkeypatch.setattr(redis, "get_redis_connection", lambda name: client)
    assert redis.version() == text
