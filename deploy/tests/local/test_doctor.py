"""`doctor` on this machine: what services answer, and who listens."""

import os
import sys
from collections.abc import Callable

import pytest

from deploy.local import doctor
from deploy.local.setup.layout import Layout

REFUSAL = "ImproperlyConfigured: Not for production: DEBUG is on (memo.E010)."
# As a service does: among lines of its log, and with a status that says WRONG.
REPORTS = """import sys
print('{"message": "WRONG"}')
print("WRONG words  ", *sys.argv, "-> do")
sys.exit(3)
"""


@pytest.mark.parametrize(
    ("program", "live", "text"),
    [
        (REPORTS, False, "words   manage.py doctor --checks -> do"),
        (REPORTS, True, "words   manage.py doctor --redis-admin-password-file"),
        (f"import sys; sys.exit({REFUSAL!r})", True, "settings"),
    ],
)
def test_what_a_service_finds_or_why_it_does_not_start_is_reported(
    layout: Layout, program: str, live: bool, text: str
) -> None:
    """Without a running stack it runs its system checks."""
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    service = layout.services[0]
    service.env_file.write_text("DEBUG=false\n")
    (service.project / "manage.py").write_text(program)
    [found] = doctor.ask(layout, service, live=live)
    assert found.startswith(f"WRONG auth:    {text}")
    assert (REFUSAL in found) == (text == "settings")


def test_before_the_first_up_nothing_is_wrong(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(layout, []) == 0
    assert "1 ok, 3 note, 0 WRONG" in capsys.readouterr().out


@pytest.mark.parametrize("place", [".", "auth_secret_key", "keys", "keys/public"])
def test_only_the_user_of_the_stack_can_write_keys_and_secrets(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Services accept tokens of any public key in the folder."""
    (layout.keys / "public").mkdir(parents=True)
    (layout.secrets / "auth_secret_key").touch(0o600)
    (layout.keys / "public" / "kid.pem").touch(0o444)
    assert doctor.secrets(layout).startswith("ok")
    path = layout.secrets / place
    for bit in (0o020, 0o002):
        path.chmod(0o700 | bit)
        assert f": {path} -> " in doctor.secrets(layout)
    path.chmod(0o700)
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    found = doctor.secrets(layout)
    assert found.startswith("WRONG")
    assert str(layout.keys / "public" / "kid.pem") in found


def test_only_a_running_stack_may_listen_on_its_ports(
    layout: Layout, listener: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener("127.0.0.1")
    assert "pid" in doctor.intruder(layout, port, runs=True)
    (layout.work / "auth").mkdir(parents=True)
    monkeypatch.chdir(layout.work / "auth")
    assert not doctor.intruder(layout, port, runs=True)
    assert doctor.intruder(layout, port, runs=False)
