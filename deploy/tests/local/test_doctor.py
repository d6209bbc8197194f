"""`doctor` on this machine: what services answer, who listens, and its exit status."""

import json
import sys
from collections.abc import Callable

import pytest

from deploy.local import doctor
from deploy.local.external_checks import Finding
from deploy.local.layout import Layout

Ask = Callable[..., list[Finding]]

REPORT = [{"id": "database.role", "verdict": "WRONG", "text": "so", "advice": "do"}]
LOG = '{"time": "2026-01-01", "message": "[{\\"id\\"..."}'


@pytest.fixture
def ask(layout: Layout) -> Ask:
    """Have the first service's manage.py do this; what doctor makes of it."""
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    service = layout.services[0]

    def run(program: str, *, live: bool = True) -> list[Finding]:
        service.env_file.write_text("DEBUG=false\n")
        (service.project / "manage.py").write_text(program)
        return doctor.ask(layout, service, live=live)

    return run


def test_what_a_service_finds_is_reported_with_its_name(ask: Ask) -> None:
    """Its exit status says that something is WRONG; its log is no report."""
    program = f"import sys; print({LOG!r}); print({json.dumps(REPORT)!r}); sys.exit(3)"
    assert ask(program) == [Finding("auth", "database.role", "WRONG", "so", "do")]


def test_a_service_that_refuses_to_start_says_why(ask: Ask) -> None:
    refusal = "ImproperlyConfigured: Not for production: DEBUG is on (memo.E010)."
    (found,) = ask(f"import sys; sys.exit({refusal!r})")
    assert (found.id, found.verdict, found.text) == ("settings", "WRONG", refusal)
    assert "checks.md" in found.advice


@pytest.mark.parametrize(("live", "option"), [(False, "--checks"), (True, "--redis")])
def test_without_a_running_stack_a_service_runs_its_system_checks(
    ask: Ask, live: bool, option: str
) -> None:
    words = "'text': ' '.join(sys.argv)"
    report = f"{{'id': 'words', 'verdict': 'ok', {words}}}"
    (found,) = ask(f"import json, sys; print(json.dumps([{report}]))", live=live)
    assert f" {option}" in found.text


def test_before_the_first_up_there_are_notes_alone(layout: Layout) -> None:
    found = [each for each in doctor.examine_stack(layout) if each.verdict != "ok"]
    assert {each.verdict for each in found} == {"note"}
    assert {"nginx", "settings"} <= {each.id for each in found}


@pytest.mark.parametrize(
    ("mode", "verdict"), [(0o600, "ok"), (0o400, "ok"), (0o640, "WRONG")]
)
def test_secrets_are_for_their_owner_alone(
    layout: Layout, mode: int, verdict: str
) -> None:
    (layout.keys / "public").mkdir(parents=True)
    (layout.keys / "public" / "kid.pem").touch(0o644)
    secret = layout.secrets / "auth_secret_key"
    secret.touch()
    secret.chmod(mode)
    found = doctor.secrets(layout)
    assert found.verdict == verdict
    assert (str(secret) in found.text) == (verdict == "WRONG")


def test_only_a_running_stack_may_listen_on_its_ports(
    layout: Layout, listener: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener("127.0.0.1")
    assert "pid" in doctor.stranger(None, port)
    assert "pid" in doctor.stranger(layout, port)
    (layout.work / "auth").mkdir(parents=True)
    monkeypatch.chdir(layout.work / "auth")
    assert doctor.stranger(layout, port) == ""


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [(["ok", "note"], 0), (["ok", "WRONG", "note"], 3), ([], 0)],
)
def test_only_what_is_wrong_is_an_exit_status(
    layout: Layout,
    verdicts: list[str],
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [Finding("auth", "x", verdict, "so", "do") for verdict in verdicts]
    monkeypatch.setattr(doctor, "examine_stack", lambda layout: found)
    assert doctor.run(layout, ["--json"]) == status
    assert [each["verdict"] for each in json.loads(capsys.readouterr().out)] == verdicts
    assert doctor.run(layout, []) == status
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[:-1]] == verdicts
    assert f"{verdicts.count('WRONG')} WRONG" in printed[-1]
