"""A wrong setting is one line, and is found before anything is written."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.native import addresses, application, configure, faults, gateway
from deploy.native.layout import Layout
from deploy.native.problems import Problem
from deploy.native.services import Service

from .checkout import SOURCE


def output_of(program: str) -> str:
    return f"""\
starting
Traceback (most recent call last):
  File "/srv/env.py", line 7, in str
KeyError: 'X'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/config/settings.py", line 3, in <module>
    load()
{program}
"""


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (
            "django.core.exceptions.ImproperlyConfigured: X must be: a number.",
            "X must be: a number.",
        ),
        ("KeyError: 'notes'", "KeyError: 'notes' (/srv/config/settings.py:3)"),
    ],
)
def test_the_reason_is_the_last_line_of_the_last_traceback(
    last: str, reason: str
) -> None:
    assert faults.reason(output_of(last)) == reason


def test_a_refusal_is_a_line_without_a_traceback() -> None:
    told = '{"message": "Starting"}\nImproperlyConfigured: Not for production: X.\n'
    assert faults.reason(told) == "Not for production: X."


def test_what_is_no_traceback_has_no_reason() -> None:
    assert faults.reason("CommandError: Unknown command") == ""


def test_a_failing_program_of_a_service_is_one_line_and_its_log_has_the_rest(
    layout: Layout, services: Sequence[Service]
) -> None:
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    (services[0].project / "manage.py").write_text("raise SystemError('no disk')\n")
    with pytest.raises(Problem, match=r"^auth: SystemError: no disk \(") as caught:
        application.migrate(layout, services[0])
    assert "\n" not in str(caught.value)
    assert str(layout.log("auth")) in caught.value.hint
    assert faults.TRACEBACK in layout.log("auth").read_text()


def test_pending_is_what_will_be_written_and_writes_nothing(
    layout: Layout, services: Sequence[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure.ensure(layout, services, addresses.choose(layout, services))
    monkeypatch.setenv("USERS_PORT", "18124")
    moved = addresses.choose(layout, services)
    before = services[0].env_file(layout).read_text()
    found = configure.pending(layout, services, moved)
    users = "http://127.0.0.1:18124"
    assert found[services[0].env_file(layout)] == {"USERS_SERVICE_URL": users}
    assert found[services[1].env_file(layout)] == {"BIND": "127.0.0.1:18124"}
    assert found[layout.gateway_env] == {}
    assert services[0].env_file(layout).read_text() == before


def test_a_wrong_rate_of_the_gateway_is_one_line(
    layout: Layout, services: Sequence[Service], tmp_path: Path
) -> None:
    (layout.root / "nginx").symlink_to(SOURCE / "nginx")
    chosen = addresses.choose(layout, services)
    configure.ensure(layout, services, chosen)
    gateway.check(layout, services, chosen, {}, tmp_path)
    with layout.gateway_env.open("a") as file:
        file.write("GATEWAY_LOGIN_RATE=soon\n")
    with pytest.raises(Problem, match=r"^gateway: GATEWAY_LOGIN_RATE: 'soon'[^\n]*$"):
        gateway.check(layout, services, chosen, {}, tmp_path)
    assert not layout.gateway.exists()
