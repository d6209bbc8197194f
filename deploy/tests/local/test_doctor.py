"""`doctor` on this machine: what services answer, and who listens."""

import sys
from collections.abc import Callable

import pytest

from deploy.local import doctor
from deploy.local.layout import Layout

REFUSAL = "ImproperlyConfigured: Not for production: DEBUG is on (memo.E010)."
LOG = '{"time": "2026-01-01", "message": "[{\\"id\\"..."}'
# As a service does: among lines of its log, and with a status that says WRONG.
REPORTS = f"""import json, sys
print({LOG!r})
words = dict(id="words", verdict="WRONG", text=" ".join(sys.argv), advice="do")
print(json.dumps([words]))
sys.exit(3)
"""


@pytest.mark.parametrize(
    ("program", "live", "identity", "text"),
    [
        (REPORTS, False, "words", " --checks"),
        (REPORTS, True, "words", " --redis-admin-password-file"),
        (f"import sys; sys.exit({REFUSAL!r})", True, "settings", REFUSAL),
    ],
)
def test_what_a_service_finds_or_why_it_does_not_start_is_reported(
    layout: Layout, program: str, live: bool, identity: str, text: str
) -> None:
    """Without a running stack it runs its system checks."""
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    service = layout.services[0]
    service.env_file.write_text("DEBUG=false\n")
    (service.project / "manage.py").write_text(program)
    [found] = doctor.ask(layout, service, live=live)
    assert (found.where, found.id, found.verdict) == ("auth", identity, "WRONG")
    assert text in found.text
    assert found.advice


def test_before_the_first_up_there_are_notes_alone(layout: Layout) -> None:
    found = [each for each in doctor.examine_stack(layout) if each.verdict != "ok"]
    assert {(each.verdict, each.id) for each in found} == {
        ("note", "nginx"),
        ("note", "settings"),
    }


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
    assert "pid" in doctor.listener(layout, "auth", port, runs=True).text
    (layout.work / "auth").mkdir(parents=True)
    monkeypatch.chdir(layout.work / "auth")
    assert doctor.listener(layout, "auth", port, runs=True).verdict == "ok"
    assert doctor.listener(layout, "auth", port, runs=False).verdict == "WRONG"
