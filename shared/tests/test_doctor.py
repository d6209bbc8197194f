"""`manage.py doctor`: verdicts, and what it says of what it cannot look at. What it
finds in a running stack is proved there: deploy/tests/system/test_doctor.py."""

import json
import time
from io import StringIO

import pytest
from django.core.management import call_command

from shared import doctor
from shared.probes.clocks import compare
from shared.probes.listening import bind, is_private

SECRET = "canary"


def report(*options: str) -> tuple[int, list[dict[str, str]]]:
    out = StringIO()
    status = 0
    try:
        call_command("doctor", "--json", *options, stdout=out)
    except SystemExit as end:
        status = int(end.code or 0)
    return status, json.loads(out.getvalue())


@pytest.fixture
def probes(monkeypatch):
    """None but those a test brings."""
    found: list[doctor.Probe] = []
    monkeypatch.setattr(doctor, "PROBES", found)
    monkeypatch.setattr(doctor, "autodiscover_modules", lambda name: None)
    monkeypatch.setattr(doctor.checks, "run_checks", list)
    return found


@pytest.mark.parametrize(
    ("verdict", "status"), [(doctor.OK, 0), (doctor.NOTE, 0), (doctor.WRONG, 3)]
)
def test_only_what_is_wrong_is_an_exit_status(probes, verdict, status):
    @doctor.probe
    def subject(context):
        yield doctor.Finding("some.thing", verdict, "so it is", "do this")

    found = {"id": "some.thing", "verdict": verdict, "text": "so it is"}
    assert report() == (
        status,
        [
            {"id": "checks", "verdict": "ok", "advice": ""}
            | {"text": "no system check finds an error"},
            found | {"advice": "do this"},
        ],
    )


def test_a_probe_that_breaks_is_a_finding_and_the_next_is_still_asked(probes):
    @doctor.probe
    def broken(context):
        raise OSError(f"password={SECRET}")

    @doctor.probe
    def whole(context):
        yield doctor.judge("fine", True, "well", "not well", "mend it")

    status, found = report()

    assert status == 3
    assert [(each["id"], each["verdict"]) for each in found[1:]] == [
        ("test_doctor.broken", "WRONG"),
        ("fine", "ok"),
    ]
    assert "OSError" in found[1]["text"]
    assert SECRET not in json.dumps(found)


def test_without_a_running_stack_the_checks_are_asked_alone(settings, tmp_path):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path
    status, found = report("--checks")

    assert status == 3
    assert [each["id"] for each in found] == ["memo.E003"]
    assert "python -m shared.keys.signing_keys" in found[0]["advice"]


def test_a_probe_is_told_what_only_redis_administrator_knows(probes, tmp_path):
    (tmp_path / "password").write_text(f"{SECRET}\n")

    @doctor.probe
    def subject(context):
        yield doctor.Finding("told", doctor.OK, str(len(context.redis_admin_password)))

    path = str(tmp_path / "password")
    assert report("--redis-admin-password-file", path)[1][1]["text"] == "6"


def test_people_read_what_was_seen_and_what_to_do(probes):
    @doctor.probe
    def subject(context):
        yield doctor.judge("some.thing", False, "well", "not well", "mend it")

    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=out)

    assert out.getvalue().splitlines()[1].split() == (
        ["WRONG", "some.thing", "not", "well", "->", "mend", "it"]
    )


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("fd00::1", True),
        ("localhost", True),
        ("unix", True),
        ("8.8.8.8", False),
        ("2001:4860::1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("memo.example", False),
    ],
)
def test_gunicorn_listens_where_only_the_gateway_comes(
    monkeypatch, tmp_path, address, private
):
    monkeypatch.setattr("shared.probes.listening.CONTAINER", (tmp_path / "no",))

    assert is_private(address) is private


def test_in_a_container_every_address_is_its_own(monkeypatch, tmp_path, settings):
    monkeypatch.setattr("shared.probes.listening.CONTAINER", (tmp_path,))
    settings.BIND = "[::]:8000"

    assert [each.verdict for each in bind(doctor.Context())] == ["ok"]


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0, "ok"), (-10, "ok"), (10, "ok"), (13, "WRONG")]
)
def test_a_clock_may_be_off_by_the_leeway(settings, seconds, verdict):
    settings.JWT_LEEWAY = 10

    assert compare("clock.x", "x", time.time() + seconds).verdict == verdict
