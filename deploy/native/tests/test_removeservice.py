"""A service that goes leaves the checkout as it was before it came."""

import shutil
from pathlib import Path

import pytest

from deploy.native import (
    addresses,
    configure,
    destroy,
    provisioning,
    relocation,
    removeservice,
    startservice,
)
from deploy.native.envfiles import read
from deploy.native.layout import Layout, of
from deploy.native.problems import USAGE, Problem
from deploy.native.services import discover

from .checkout import SOURCE

Contents = dict[str, bytes]


@pytest.fixture
def stacks(layout: Layout) -> list[Layout]:
    """The primary stack and another, both with their settings, and nothing running."""
    (layout.root / "nginx" / "services").mkdir(parents=True)
    (layout.root / "manage_all.sh").touch(mode=0o755)
    shutil.copytree(SOURCE / "requirements", layout.root / "requirements")
    second = of(layout.root, "second")
    second.make_folders()
    write_settings([layout, second])
    return [layout, second]


def write_settings(stacks: list[Layout]) -> None:
    """As `init` and `up` do."""
    for stack in stacks:
        services = discover(stack.root)
        provisioning.write_settings(stack, services, addresses.choose(stack, services))


def contents(root: Path) -> Contents:
    """Every file; locks are empty, and come with the first command."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def start(stacks: list[Layout], name: str = "notes") -> None:
    startservice.run(stacks[0], [name])
    write_settings(stacks)


def remove(stacks: list[Layout], name: str = "notes") -> None:
    removeservice.run(stacks[0], [name, "--yes"])


def test_everything_is_as_before_in_every_stack(stacks: list[Layout]) -> None:
    root = stacks[0].root
    before = contents(root)
    start(stacks)
    changed = {
        path for path, text in contents(root).items() if before.get(path) != text
    }
    assert {".env", "auth_project/.env", ".secrets/redis_users.acl"} <= changed
    assert ".run/stacks/second/secrets/users_internal_api_keys" in changed
    remove(stacks)
    assert contents(root) == before
    assert not (root / "notes_project").exists()


def test_what_running_leaves_goes_too(stacks: list[Layout]) -> None:
    root = stacks[0].root
    start(stacks)
    for stack in stacks:
        for path in (
            stack.state / "postgres" / "notes" / "15" / "data" / "PG_VERSION",
            stack.work("notes") / "core",
            stack.socket_folder("notes-db") / ".lock",
            stack.log("notes"),
            stack.log("notes-db"),
            stack.logs / "notes.log.1",
            stack.gateway / "conf" / "services" / "notes.conf",
            stack.base / "pycache" / f"{root}/notes_project".lstrip("/") / "x.pyc",
            stack.logs / "notesbook.log",
            stack.state / "postgres" / "auth" / "15" / "data" / "PG_VERSION",
        ):
            startservice._write(path, "x")
    remove(stacks)
    left = [path for path in contents(stacks[0].root) if "notes" in path]
    assert left == [".run/log/notesbook.log", ".run/stacks/second/log/notesbook.log"]
    assert (stacks[0].state / "postgres" / "auth" / "15" / "data").is_dir()


def test_two_come_and_one_goes(stacks: list[Layout]) -> None:
    """The other keeps its own, and forgets the one that went."""
    layout = stacks[0]
    start(stacks, "archive")
    with_archive = contents(layout.root)
    start(stacks)
    assert read(layout.root / "archive_project" / ".env")["NOTES_SERVICE_URL"]
    remove(stacks)
    assert contents(layout.root) == with_archive
    assert read(layout.gateway_env)["COMPOSE_FILE"] == (
        "compose.yaml:archive_project/compose.yaml"
    )


def test_a_key_being_rotated_goes_in_both_forms(stacks: list[Layout]) -> None:
    start(stacks)
    path = stacks[0].secrets / "auth_internal_api_keys"
    users = path.read_text().split(",")[0]
    assert users.startswith("users=")
    path.write_text(f"{path.read_text()},notes=the-next-key,users=next")
    remove(stacks)
    assert path.read_text() == f"{users},users=next"


def test_a_service_whose_name_begins_alike_keeps_its_secrets(
    stacks: list[Layout],
) -> None:
    """Not one that `startservice` would make, but `up` has always taken it."""
    root = stacks[0].root
    (root / "notes_old_project").mkdir()
    (root / "notes_old_project" / "manage.py").touch()
    (root / "old_notes_project").mkdir()
    (root / "old_notes_project" / "manage.py").touch()
    write_settings(stacks)
    before = contents(root)
    start(stacks)
    remove(stacks)
    assert contents(root) == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["auth", "--yes"], "Nothing works without auth"),
        (["users", "--yes"], "Nothing works without users"),
        (["billing", "--yes"], "There is no service billing"),
        (["../notes", "--yes"], "There is no service"),
        ([], "Usage: removeservice"),
        (["notes", "billing"], "Usage: removeservice"),
        (["notes", "--no"], "Usage: removeservice"),
    ],
)
def test_what_cannot_go_is_refused(
    stacks: list[Layout], words: list[str], reason: str
) -> None:
    start(stacks)
    before = contents(stacks[0].root)
    with pytest.raises(Problem, match=reason) as caught:
        removeservice.run(stacks[0], words)
    assert caught.value.code == USAGE
    assert contents(stacks[0].root) == before


def test_without_a_yes_everything_stays(
    stacks: list[Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(stacks)
    before = contents(stacks[0].root)
    with pytest.raises(Problem, match="Nobody is here to say yes"):
        removeservice.run(stacks[0], ["notes"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: "no")
    with pytest.raises(Problem, match="Nothing was removed"):
        removeservice.run(stacks[0], ["notes"])
    assert contents(stacks[0].root) == before


def test_the_question_names_what_was_changed(
    stacks: list[Layout],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start(stacks)
    project = stacks[0].root / "notes_project"
    (project / "notes" / "models.py").write_text("# mine\n")
    startservice._write(project / "notes" / "mine.py", "# mine\n")
    asked: list[str] = []
    monkeypatch.setattr(destroy, "insist_on_yes", asked.append)
    removeservice.run(stacks[0], ["notes"])
    said = capsys.readouterr().out
    changed = [line.split(": ")[1] for line in said.splitlines() if "since" in line]
    assert changed == ["notes_project/notes/mine.py", "notes_project/notes/models.py"]
    assert "everything in the database of notes" in said
    assert asked == ["./manage_all.sh removeservice notes --yes"]


def test_an_interrupted_removal_can_be_repeated(
    stacks: list[Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(stacks[0].root)
    start(stacks)
    with monkeypatch.context() as patched:
        patched.setattr(removeservice, "remove_code", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            remove(stacks)
    remove(stacks)
    assert contents(stacks[0].root) == before


def _interrupted(_root: Path, _name: str) -> None:
    raise KeyboardInterrupt


def test_code_is_left_to_root_where_it_is_roots(stacks: list[Layout]) -> None:
    start(stacks)
    removeservice.run(stacks[0], ["notes", "--yes", removeservice.CODE_STAYS])
    assert (stacks[0].root / "notes_project" / "manage.py").exists()
    assert not list(stacks[0].secrets.glob("*notes*"))


def test_a_link_is_removed_and_not_what_it_leads_to(
    stacks: list[Layout], tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    start(stacks)
    project = stacks[0].root / "notes_project"
    project.rename(elsewhere / "notes_project")
    project.symlink_to(elsewhere / "notes_project")
    removeservice.remove_code(stacks[0].root, "notes")
    assert not project.is_symlink()
    assert (elsewhere / "notes_project" / "manage.py").exists()


def test_secrets_that_went_in_a_copy_do_not_come_back(tmp_path: Path) -> None:
    root, copy = tmp_path / "root", tmp_path / "copy"
    for name in ("auth_secret_key", "keys/public/x.pem"):
        startservice._write(root / ".secrets" / name, "x")
        startservice._write(copy / ".secrets" / name, "x")
    startservice._write(root / ".secrets" / "notes_secret_key", "x")
    relocation._drop_secrets(root, copy)
    assert contents(root) == contents(copy)


# ---- COMPOSE_FILE --------------------------------------------------------------------


def compose_file(stacks: list[Layout]) -> str | None:
    write_settings(stacks)
    return read(stacks[0].gateway_env).get("COMPOSE_FILE")


def test_compose_is_told_of_services_and_of_an_override(stacks: list[Layout]) -> None:
    assert compose_file(stacks) is None
    start(stacks)
    assert compose_file(stacks) == "compose.yaml:notes_project/compose.yaml"
    assert "COMPOSE_FILE" not in read(stacks[1].gateway_env)
    (stacks[0].root / "compose.override.yaml").touch()
    assert compose_file(stacks) == (
        "compose.yaml:notes_project/compose.yaml:compose.override.yaml"
    )


def test_a_folder_that_was_removed_by_hand_is_no_longer_told(
    stacks: list[Layout],
) -> None:
    before = stacks[0].gateway_env.read_bytes()
    start(stacks)
    shutil.rmtree(stacks[0].root / "notes_project")
    assert compose_file(stacks) is None
    assert stacks[0].gateway_env.read_bytes() == before


def test_a_list_of_ones_own_stays(stacks: list[Layout]) -> None:
    mine = "compose.yaml:deploy/mine.yaml"
    with stacks[0].gateway_env.open("a") as file:
        file.write(f"COMPOSE_FILE={mine}\n")
    start(stacks)
    assert compose_file(stacks) == mine
    remove(stacks)
    assert compose_file(stacks) == mine


def test_what_is_pending_is_told_beforehand(stacks: list[Layout]) -> None:
    layout = stacks[0]
    startservice.run(layout, ["notes"])
    services = discover(layout.root)
    chosen = addresses.choose(layout, services)
    pending = configure.pending(layout, services, chosen)
    found = pending[layout.gateway_env]
    assert found == {"COMPOSE_FILE": "compose.yaml:notes_project/compose.yaml"}
