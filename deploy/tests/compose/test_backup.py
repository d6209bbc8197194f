"""Backup and restore of containers, with a pretended `docker`, and the commands of
docs/operations/kubernetes.md, with a pretended `kubectl`. What the former do is
proved by `deploy/compose/try.sh` where Docker is; here they fail, or are run later."""

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.tests.compose.compose_file import ROOT

PAGE = (ROOT / "docs" / "operations" / "kubernetes.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.S)
*_, COPY, STOP, SMALL, KUBERNETES, DROP = BLOCKS
(UPGRADE,) = (
    block for block in BLOCKS if "kubectl wait --for=condition=complete" in block
)
BACK_UP = "deploy/compose/backup.sh backup"
RESTORE = "deploy/compose/restore.sh backup"
SCRIPTS = ("compose/backup.sh", "compose/restore.sh", "postgres/restore.sh")
SERVICES = "auth auth-db auth-migrate order order-db order-migrate grafana-db users"
# It notes its calls, and has a list of erased users. A worker that stops adds `late`.
# `epoch` has the highest of auth now, and of the restored one.
DOCKER = """#!/bin/sh
echo "$*" | tr -s '\\n ' ' ' | sed 's/-ec .* restore /-ec /; s/ *$/\\n/' >> calls
case $* in
    *"$FAILS"*) exit 1 ;;
    "compose config --services") tr ' ' '\\n' < services ;;
    *pg_dump*) touch .secrets/late; echo "dump of $4" ;;
    *auth_restored*highestepoch* | "exec deploy/auth"*highestepoch*) sed -n 2p epoch ;;
    *highestepoch*) sed -n 1p epoch ;;
    "-e --role="*) cat > "$4.loaded" ;;
    *eraseusers*) cat >> erased ;;
    *--for=delete*users-worker*) cat late >> list ;;
    *" sh -ec "*)
        while [ "$1" != sh ]; do
            case $1 in *-db*) export MEMO_SERVICE="${1%%-db*}" ;; esac
            shift
        done
        "$@" || exit
        case "$MEMO_SERVICE $5" in "$LATE") exit 1 ;; esac ;;
    *"users-worker sh -c"* | *"users-worker -- sh -c"* | *"erasures -- sh -c"*)
        for last; do :; done
        sh -c "$(echo "$last" | sed s,/var/lib/memo/erasures/users.log,list,g)" ;;
esac
"""
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run commands in a shell of its own, in a checkout with the scripts; returns its
    status. Calls of `docker` with the text `fails` fail, and the step `late` fails when
    it has done its work."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    for name in ("kubectl", "psql", "pg_restore"):
        docker.with_name(name).symlink_to(docker)
    for folder in ("compose", "postgres"):
        (tmp_path / "deploy" / folder).mkdir(parents=True)
    for script in SCRIPTS:
        shutil.copy(ROOT / "deploy" / script, tmp_path / "deploy" / script)
    (tmp_path / ".env").touch()
    (tmp_path / ".secrets").mkdir()
    (tmp_path / "services").write_text(f"{SERVICES} users-db users-migrate\n")
    (tmp_path / "epoch").write_text("9\n7\n")

    def run(commands: str, fails: str = "no call", late: str = "") -> int:
        path = f"{docker.parent}:{os.environ['PATH']}"
        env = {"PATH": path, "FAILS": fails, "LATE": late}
        env["POSTGRES_PASSWORD_FILE"] = os.devnull
        command = ["bash", "-c", commands.replace("/srv/memo", str(tmp_path))]
        return subprocess.run(command, cwd=tmp_path, env=env, umask=0o022).returncode

    return run


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


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


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


ENDS = ("eraseusers", "raiseepochs", "revokesessions", "republishsessions")
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


def test_a_restore_in_kubernetes_keeps_both_lists(run: Run, tmp_path: Path) -> None:
    """PRIV-05: in the cluster too, which may be new, for the next restore. The worker
    erases until it has stopped."""
    (tmp_path / "list").write_text("a 1\n")
    (tmp_path / "late").write_text("c 3\n")
    (tmp_path / "erasures.log").write_text("b 2\n")
    assert run(f"{STOP}\n{KUBERNETES}") == 0
    assert (tmp_path / "list").read_text() == "a 1\nc 3\n\nb 2\n"
    assert (tmp_path / "erased").read_text() == "a 1\nc 3\n\nb 2\n" * 2


STEPS = ("scale", "for=delete", "highestepoch", "get deployment", "create", "ready")


@pytest.mark.parametrize("fails", [*STEPS, "exec -i erasures"])
def test_a_restore_in_kubernetes_without_the_cluster_s_list_ends(
    run: Run, tmp_path: Path, fails: str
) -> None:
    """PRIV-05: with that of the backup, or of an earlier attempt, users who were erased
    since would live again."""
    (tmp_path / "late").touch()
    for name in ("erasures.log", "erasures.all"):
        (tmp_path / name).write_text("b 2\n")
    run(STOP, fails)
    assert run(f"before=9\n{KUBERNETES}")
    assert (tmp_path / "erasures.log").read_text() == "b 2\n"
    calls = (tmp_path / "calls").read_text()
    assert "--replicas=1 deployment users-worker" not in calls


def test_a_restore_in_kubernetes_needs_no_running_worker(
    run: Run, tmp_path: Path
) -> None:
    """Without the database of users, none runs."""
    (tmp_path / "list").write_text("a 1\n")
    (tmp_path / "late").touch()
    (tmp_path / "erasures.log").write_text("b 2\n")
    assert run(STOP, "deploy/users-worker") == 0
    assert (tmp_path / "erasures.all").read_text() == "a 1\n\nb 2\n"


def test_a_cluster_whose_worker_does_not_run_empties_no_list(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "erasures.log").write_text("b 2\n")
    assert run(COPY, "users-worker")
    assert (tmp_path / "erasures.log").read_text() == "b 2\n"


@pytest.mark.parametrize("fails", ["no call", "wait"])
def test_a_migration_that_failed_is_followed_by_no_new_version(
    run: Run, tmp_path: Path, fails: str
) -> None:
    run(UPGRADE, fails)
    applied = (tmp_path / "calls").read_text().count("apply -k")
    assert applied == (2 if fails == "no call" else 1)


@pytest.mark.parametrize(
    ("before", "fails"), [("before=9", each) for each in ENDS] + [("", "no call")]
)
def test_a_restore_in_kubernetes_that_failed_opens_no_gateway(
    run: Run, tmp_path: Path, before: str, fails: str
) -> None:
    """Nor does one in another shell, which does not know the highest epoch."""
    (tmp_path / "erasures.all").write_text("b 2\n")
    assert run(f"before=9\n{KUBERNETES}") == 0
    assert "raiseepochs --above 9\n" in (tmp_path / "calls").read_text()
    (tmp_path / "calls").unlink()
    assert run(f"{before}\n{KUBERNETES}", fails)
    assert "gateway" not in (tmp_path / "calls").read_text()


def test_the_small_cluster_takes_both_dumps(run: Run, tmp_path: Path) -> None:
    for name in ("users", "auth"):
        (tmp_path / f"{name}.dump").write_text(name)
    assert run(f"{SMALL}\n{DROP}") == 0
    sql = [call for call in calls(tmp_path) if call.startswith("-q")]
    for name in ("users", "auth"):
        assert [call for call in sql if f'RENAME TO "{name}_before"' in call]
        assert (tmp_path / f"{name}_restored.loaded").read_text() == name
    assert "DROP DATABASE IF EXISTS users_before" in sql[-2]
    assert "DROP DATABASE IF EXISTS auth_before" in sql[-1]


def test_the_small_cluster_takes_both_dumps_or_none(run: Run, tmp_path: Path) -> None:
    for name in ("users", "auth"):
        (tmp_path / f"{name}.dump").touch()
    assert run(SMALL, late="auth swap")
    undone = [call for call in calls(tmp_path) if '_before" RENAME TO' in call]
    assert len(undone) == 2
    assert "DROP DATABASE IF EXISTS auth_restored" in calls(tmp_path)[-1]


def test_a_dump_that_cannot_be_loaded_ends_it(run: Run, tmp_path: Path) -> None:
    for name in ("users", "auth"):
        (tmp_path / f"{name}.dump").touch()
    assert run(SMALL, "-e --role=auth_owner")
    assert "RENAME TO" not in (tmp_path / "calls").read_text()
