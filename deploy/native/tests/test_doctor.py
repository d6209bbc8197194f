"""`doctor` on this machine: what services answer, files' modes, and its exit status."""

import json
import sys
from collections.abc import Callable, Sequence

import pytest

from deploy.native import asking, findings, machine, virtualenv
from deploy.native.envfiles import Setting, complete
from deploy.native.findings import NOTE, OK, WRONG, Finding
from deploy.native.layout import Layout
from deploy.native.services import Service

Told = Callable[..., list[Finding]]

REPORT = [{"id": "database.role", "verdict": WRONG, "text": "so", "advice": "do"}]
LOG = '{"time": "2026-01-01", "message": "[{\\"id\\"..."}'


@pytest.fixture
def told(
    layout: Layout, services: Sequence[Service], monkeypatch: pytest.MonkeyPatch
) -> Told:
    """Have the first service's manage.py do this; what doctor makes of it."""
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    monkeypatch.setattr(virtualenv, "fits", lambda layout: True)
    service = services[0]

    def ask(program: str, *, runs: bool = True) -> list[Finding]:
        text = complete("", [Setting("DEBUG", "false")], "")
        service.env_file(layout).parent.mkdir(parents=True, exist_ok=True)
        service.env_file(layout).write_text(text)
        (service.project / "manage.py").write_text(program)
        return asking.examine(layout, [service], runs=runs)

    return ask


def test_what_a_service_finds_is_told_with_its_name(told: Told) -> None:
    """Its exit status says that something is WRONG; its log is no report."""
    program = f"import sys; print({LOG!r}); print({json.dumps(REPORT)!r}); sys.exit(3)"
    assert told(program) == [Finding("auth", "database.role", WRONG, "so", "do")]


def test_a_service_that_refuses_to_start_is_told_in_its_own_words(told: Told) -> None:
    refusal = "ImproperlyConfigured: Not for production: DEBUG is on (memo.E010)."
    (found,) = told(f"import sys; sys.exit({refusal!r})")
    assert (found.id, found.verdict) == ("settings", WRONG)
    assert found.text == "Not for production: DEBUG is on (memo.E010)."
    assert "docs/checks.md" in found.advice


@pytest.mark.parametrize(("runs", "option"), [(False, "--checks"), (True, "--redis")])
def test_of_what_does_not_run_the_checks_are_asked_alone(
    told: Told, runs: bool, option: str
) -> None:
    program = (
        "import json, sys; print(json.dumps([{'id': 'words', 'verdict': 'ok',"
        " 'text': ' '.join(sys.argv[1:])}]))"
    )
    (found,) = told(program, runs=runs)
    assert f" {option}" in found.text


def test_a_service_without_settings_is_a_note(
    layout: Layout, services: Sequence[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtualenv, "fits", lambda layout: True)
    found = asking.examine(layout, services, runs=False)
    assert [each.verdict for each in found] == [NOTE] * len(services)


@pytest.mark.parametrize(
    ("mode", "verdict"), [(0o600, OK), (0o400, OK), (0o640, WRONG)]
)
def test_secrets_are_for_their_owner_alone(
    layout: Layout, services: Sequence[Service], mode: int, verdict: str
) -> None:
    (layout.root / "pyproject.toml").touch()
    (layout.root / "requirements").mkdir()
    for name in ("runtime.txt", "dev.txt"):
        (layout.root / "requirements" / name).touch()
    (layout.keys / "public").mkdir(parents=True)
    (layout.keys / "public" / "kid.pem").touch(0o644)
    secret = layout.secrets / "auth_secret_key"
    secret.touch()
    secret.chmod(mode)
    found = {each.id: each for each in machine.examine(layout, services)}["files"]
    assert found.verdict == verdict
    assert (str(secret) in found.text) == (verdict == WRONG)


@pytest.mark.parametrize(
    ("verdicts", "status"), [([OK, NOTE], 0), ([OK, WRONG, NOTE], 3), ([], 0)]
)
def test_only_what_is_wrong_is_an_exit_status(
    verdicts: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Finding("auth", "x", verdict, "so", "do") for verdict in verdicts]
    assert findings.show(found, as_json=True) == status
    assert [each["verdict"] for each in json.loads(capsys.readouterr().out)] == verdicts
    assert findings.show(found, as_json=False) == status
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[:-1]] == verdicts
    assert f"{verdicts.count(WRONG)} WRONG" in shown[-1]
