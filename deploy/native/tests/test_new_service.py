"""A service whose folder comes while the stack runs, and what `up` tells of each."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from deploy.native import (
    addresses,
    configure,
    control,
    files,
    health,
    lifecycle,
    making_room,
    postgres,
    redis,
    running,
    status,
    supervisor,
)
from deploy.native.layout import Layout
from deploy.native.problems import Problem
from deploy.native.services import Service, discover

CHILD = {"pid": 1, "state": "running", "restarts": 0}


@pytest.fixture
def stack(
    layout: Layout, services: Sequence[Service], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Layout]:
    """As if a supervisor ran the two services, all of them well."""
    names = ("auth-db", "users-db", "redis", "auth", "users", "gateway")

    def answer(_layout: Layout, _action: str) -> dict[str, dict[str, object]]:
        return {"processes": {name: dict(CHILD) for name in names}}

    configure.ensure(layout, services, addresses.choose(layout, services))
    monkeypatch.setattr(control, "ask", answer)
    monkeypatch.setattr(health, "get_json", _ready)
    monkeypatch.setattr(postgres, "answers", lambda *_: True)
    monkeypatch.setattr(redis, "answers", lambda *_: True)
    with files.locked(supervisor.lock_path(layout), ""):
        yield layout


def _ready(_port: int, path: str, _host: str, *, tls: bool = False) -> dict[str, str]:
    return {"service": path.split("/")[3]}


def add_notes(root: Path) -> None:
    (root / "notes_project").mkdir()
    (root / "notes_project" / "manage.py").touch()


def test_status_shows_it_as_stopped_and_the_others_as_they_are(stack: Layout) -> None:
    assert status.gather(stack)["state"] == "ready"
    add_notes(stack.root)
    found = status.gather(stack)
    assert found["state"] == "degraded"
    states = {name: each["state"] for name, each in found["processes"].items()}
    assert states.pop("notes") == states.pop("notes-db") == "stopped"
    assert set(states.values()) == {"running"}
    assert found["processes"]["gateway"]["healthy"]
    assert "notes-db     stopped     pid -" in status._table(found)


def test_status_knows_a_process_whose_folder_is_gone(stack: Layout) -> None:
    (stack.root / "users_project" / "manage.py").unlink()
    assert status.gather(stack)["processes"]["users"]["healthy"]


def test_ports_of_the_running_stack_are_its_own(
    stack: Layout, listener: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GATEWAY_PORT", "AUTH_PORT", "USERS_PORT"):
        monkeypatch.setenv(name, str(listener("127.0.0.1")))
    services = discover(stack.root)
    configure.ensure(stack, services, addresses.choose(stack, services))
    add_notes(stack.root)
    services = discover(stack.root)
    assert running.is_running(stack)
    chosen = addresses.choose(stack, services)
    making_room._insist_on_ports(stack, services, chosen)
    taken = str(listener("127.0.0.1"))
    monkeypatch.setenv("NOTES_PORT", taken)
    with pytest.raises(Problem, match=rf"Port {taken} \(notes\) is used"):
        making_room._insist_on_ports(stack, services, addresses.choose(stack, services))


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "off"])
def test_no_documentation_is_announced_where_there_is_none(
    stack: Layout, services: Sequence[Service], word: str
) -> None:
    with services[0].env_file(stack).open("a") as file:
        file.write(f"DOCS_ENABLED={word}\n")
    text = lifecycle._summary(stack, services)
    assert "/api/v1/auth/docs" not in text
    assert "/api/v1/users/docs" in text
