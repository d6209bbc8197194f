"""Backup and restore of containers, with a pretended `docker`. What they do is proved
by `deploy/compose/try.sh` where Docker is; here they fail."""

import re
import tarfile
from pathlib import Path

import pytest

from deploy.tests.pretended_docker import ENDS, Run, calls, shell

BACK_UP = "deploy/compose/backup.sh backup"
RESTORE = "deploy/compose/restore.sh backup"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return shell(tmp_path)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of long ago, and a list of erased users whose last line was cut off."""
    (tmp_path / "list").write_text("a 1\nc")
    folder = tmp_path / "backup"
    folder.mkdir()
    (folder / "erasures.log").write_text("b 2\n")
    for name in ("users", "order", "auth"):
        (folder / f"{name}.dump").write_text(name)
    return folder


def steps(tmp_path: Path) -> list[str]:
    """What was called of these: steps in databases, commands of manage.py."""
    found = [re.search(r"(\w+)-db sh -ec (.+)$", call) for call in calls(tmp_path)]
    return [f"{step[1]} {step[2]}" for step in found if step]


def test_a_backup_is_private_and_whole(run: Run, tmp_path: Path) -> None:
    """With services of your own, and auth last, which has every logout then from before
    the other dumps."""
    (tmp_path / "list").write_text("a 1\n")
    assert run(BACK_UP) == 0
    files = {file.name: file for file in (tmp_path / "backup").iterdir()}
    dumps = {"users.dump", "auth.dump", "order.dump"}
    assert files.keys() == dumps | {"erasures.log", "settings.tar"}
    assert files["users.dump"].read_text() == "dump of users-db\n"
    assert files["erasures.log"].read_text() == "a 1\n"
    # A dump may need a key that was made meanwhile.
    with tarfile.open(files["settings.tar"]) as tar:
        assert tar.getnames() == [".env", ".secrets", ".secrets/late"]
    modes = {file.stat().st_mode & 0o077 for file in files.values()}
    assert modes == {0}
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    dumped = [call for call in calls(tmp_path) if "pg_dump" in call]
    assert "auth-db" in dumped[-1]
    assert "COMMENT ON DATABASE" in calls(tmp_path)[-1]


@pytest.mark.parametrize("fails", ["users-db sh", "auth-db sh", "users-worker"])
def test_a_backup_that_failed_is_neither_left_nor_noted(
    run: Run, tmp_path: Path, fails: str
) -> None:
    """Else the alert MemoBackupOld would not fire."""
    assert run(BACK_UP, fails)
    assert not [*tmp_path.glob("backup*")]
    assert "COMMENT ON DATABASE" not in (tmp_path / "calls").read_text()


def test_a_backup_replaces_none(run: Run, backup: Path) -> None:
    assert run(BACK_UP)
    assert (backup / "erasures.log").read_text() == "b 2\n"


def test_a_backup_needs_no_running_worker(run: Run) -> None:
    """Before a move to another PostgreSQL, one that runs would send mails twice."""
    assert run(BACK_UP, "compose exec -T users-worker") == 0


def test_a_restore_erases_again(run: Run, tmp_path: Path, backup: Path) -> None:
    """PRIV-05: the users of both lists, in both restored databases, now and next
    time."""
    assert run(RESTORE) == 0
    text = (tmp_path / "calls").read_text()
    for name in ("users", "auth"):
        assert f"/{name}_restored {name} python manage.py eraseusers -\n" in text
    assert (tmp_path / "list").read_text() == "a 1\nc\nb 2\n"
    assert (tmp_path / "erased").read_text() == "a 1\nc\nb 2\n" * 2


def test_a_restore_takes_the_place_of_all_databases_at_its_end(
    run: Run, tmp_path: Path, backup: Path
) -> None:
    """PRIV-05: those of before are dropped, as erased users are in them. The name of a
    service may be a word of SQL."""
    assert run(RESTORE) == 0
    names = ("order", "users", "auth")
    wanted = ("load", "swap", "drop before", "drop restored")
    assert steps(tmp_path) == [f"{name} {step}" for step in wanted for name in names]
    for name in names:
        assert (tmp_path / f"{name}_restored.loaded").read_text() == name
    called = calls(tmp_path)
    for name in names:
        url = f"MIGRATION_DATABASE_URL=postgres://{name}_owner@{name}-db:5432/{name}"
        assert f"-e {url}_restored {name}-migrate" in "\n".join(called)
    (published,) = (n for n, call in enumerate(called) if "republishsessions" in call)
    swaps = [n for n, call in enumerate(called) if "RENAME TO" in call]
    assert min(swaps) > published
    assert (
        'ALTER DATABASE "order" RENAME TO "order_before"; '
        'ALTER DATABASE "order_restored" RENAME TO "order"' in called[swaps[0]]
    )
    assert called[-1] == "compose up -d --wait"


@pytest.mark.parametrize("epochs", ["9\n7\n", "7\n9\n"])
def test_a_restore_ends_all_sessions(
    run: Run, tmp_path: Path, backup: Path, epochs: str
) -> None:
    """It raises epochs above those that auth has now, and those of the backup: a new
    machine has none."""
    (tmp_path / "epoch").write_text(epochs)
    assert run(RESTORE) == 0
    text = (tmp_path / "calls").read_text()
    assert "/users_restored users python manage.py raiseepochs --above 9\n" in text
    assert "/auth_restored auth python manage.py revokesessions --all" in text


def test_a_lost_database_is_restored(run: Run, tmp_path: Path, backup: Path) -> None:
    """Its tables do not tell the highest epoch."""
    assert run(RESTORE, "/auth auth python manage.py highestepoch") == 0
    text = (tmp_path / "calls").read_text()
    assert "manage.py raiseepochs --above 7\n" in text


def test_one_database_is_restored_alone(run: Run, tmp_path: Path, backup: Path) -> None:
    """Nothing is erased in the other, where deleted users would get more time."""
    assert run(f"{RESTORE} users") == 0
    assert {step.split()[0] for step in steps(tmp_path)} == {"users"}
    text = (tmp_path / "calls").read_text()
    assert "/users_restored users python manage.py raiseepochs" in text
    assert "/auth auth python manage.py revokesessions --all" in text
    assert text.count("eraseusers") == 1


def test_a_service_of_your_own_is_restored_alone(
    run: Run, tmp_path: Path, backup: Path
) -> None:
    assert run(f"{RESTORE} order") == 0
    assert {step.split()[0] for step in steps(tmp_path)} == {"order"}
    assert "python manage.py" not in (tmp_path / "calls").read_text()


BEFORE = (
    *("restore load", "users-migrate", "users-worker sh"),
    *("/auth_restored auth python manage.py highestepoch", *ENDS),
)


@pytest.mark.parametrize("fails", BEFORE)
def test_a_restore_that_failed_changes_no_database_and_starts_all(
    run: Run, tmp_path: Path, backup: Path, fails: str
) -> None:
    """Else sessions would live again that ended after the backup."""
    assert run(RESTORE, fails)
    assert not [step for step in steps(tmp_path) if "swap" in step]
    assert steps(tmp_path)[-3:] == [
        f"{name} drop restored" for name in ("order", "users", "auth")
    ]
    assert calls(tmp_path)[-1] == "compose up -d --wait"


@pytest.mark.parametrize("faults", [('RENAME TO "auth_before"',), ("", "auth swap")])
def test_all_databases_are_replaced_or_none(
    run: Run, tmp_path: Path, backup: Path, faults: tuple[str, ...]
) -> None:
    """A step that fails may have renamed. If it has not, undoing it changes nothing."""
    assert run(RESTORE, faults[0] or "no call", *faults[1:])
    assert [step for step in steps(tmp_path) if "load" not in step] == [
        f"{name} {step}"
        for step in ("swap", "undo", "drop restored")
        for name in ("order", "users", "auth")
    ]
    assert calls(tmp_path)[-1] == "compose up -d --wait"


def test_services_that_do_not_start_are_an_error(run: Run, backup: Path) -> None:
    assert run(RESTORE, "compose up")


@pytest.mark.parametrize("file", ["auth.dump", "erasures.log"])
def test_without_a_file_nothing_is_stopped(
    run: Run, tmp_path: Path, backup: Path, file: str
) -> None:
    (backup / file).unlink()
    assert run(RESTORE)
    assert "compose stop" not in (tmp_path / "calls").read_text()


def test_what_is_no_service_is_refused(run: Run, tmp_path: Path, backup: Path) -> None:
    assert run(f"{RESTORE} users grafana")
    assert "compose stop" not in (tmp_path / "calls").read_text()


@pytest.mark.parametrize("command", [f"{BACK_UP}2", RESTORE])
def test_one_of_them_runs_at_a_time(
    run: Run, tmp_path: Path, backup: Path, command: str
) -> None:
    """Else one could load what the other has just taken, with erased users."""
    lock = "exec 8< deploy/compose/restore.sh; flock 8; "
    assert run(lock + command)
    assert not (tmp_path / "calls").exists()
