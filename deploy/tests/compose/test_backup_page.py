"""The commands of docs/operations/backup.md, with a pretended `docker`. What they do is
proved by `deploy/compose/try.sh` where Docker is; here they fail, or are run later. So
are those of docs/operations/kubernetes.md after a restore."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.tests.compose.compose_file import ROOT

PAGES = ROOT / "docs" / "operations"
BLOCK = r"<!-- run by deploy/compose/try\.sh -->\n```sh\n(.*?)```"
BACKUP_PAGE = (PAGES / "backup.md").read_text()
BACK_UP, LOAD, PUT_IN_PLACE, DROP = re.findall(BLOCK, BACKUP_PAGE, re.S)
BLOCKS = re.findall(r"```sh\n(.*?)```", (PAGES / "kubernetes.md").read_text(), re.S)
*_, COPY, STOP, KUBERNETES = BLOCKS
(UPGRADE,) = (
    block for block in BLOCKS if "kubectl wait --for=condition=complete" in block
)
# It notes its calls, and has a list of erased users. A worker that stops adds `late`.
DOCKER = """#!/bin/sh
echo "$*" >> calls
case $* in
    *"$FAILS"*) exit 1 ;;
    *pg_dump*) echo dump ;;
    *highestepoch*) echo 7 ;;
    *eraseusers*) cat >> erased ;;
    *--for=delete*users-worker*) cat late >> list ;;
    *"order-db sh -ec"*)
        for last; do :; done
        MEMO_SERVICE=order POSTGRES_PASSWORD_FILE=/dev/null sh -ec "$last" ;;
    *"-db sh -c PGPASSWORD"*DROP*)
        for last; do :; done
        name=${4%-db}
        MEMO_SERVICE=$name POSTGRES_PASSWORD_FILE=/dev/null sh -c "$last" ;;
    *"users-worker sh -c"* | *"users-worker -- sh -c"* | *"erasures -- sh -c"*)
        for last; do :; done
        sh -c "$(echo "$last" | sed s,/var/lib/memo/erasures/users.log,list,g)" ;;
esac
"""
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a block in a shell of its own; returns its status. Calls of `docker` with the
    text `fails` fail."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    for name in ("kubectl", "psql"):
        docker.with_name(name).symlink_to(docker)

    def run(block: str, fails: str = "no call") -> int:
        path = f"{docker.parent}:{os.environ['PATH']}"
        env = {"PATH": path, "FAILS": fails}
        command = ["bash", "-c", block]
        return subprocess.run(command, cwd=tmp_path, env=env, umask=0o022).returncode

    return run


def test_a_backup_is_private(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("a 1\n")
    assert run(BACK_UP) == 0
    for name, text in (("users.dump", "dump"), ("erasures.log", "a 1")):
        assert (tmp_path / name).read_text() == f"{text}\n"
    for name in ("users.dump", "auth.dump", "erasures.log"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert "COMMENT ON DATABASE" in (tmp_path / "calls").read_text()


@pytest.mark.parametrize("fails", ["users-db sh", "auth-db sh", "users-worker"])
def test_a_backup_that_failed_is_not_noted(
    run: Run, tmp_path: Path, fails: str
) -> None:
    """Else the alert MemoBackupOld would not fire."""
    assert run(BACK_UP, fails)
    assert "COMMENT ON DATABASE" not in (tmp_path / "calls").read_text()


def test_a_backup_needs_no_running_worker(run: Run) -> None:
    """Before a move to another PostgreSQL, one that runs would send mails twice."""
    assert run(BACK_UP, "compose exec -T users-worker") == 0


def test_a_restore_in_another_shell_erases_again(run: Run, tmp_path: Path) -> None:
    """PRIV-05: the users of both lists, in both services. The backup is of long ago."""
    (tmp_path / "list").write_text("a 1\n")
    (tmp_path / "erasures.log").write_text("b 2\n")
    assert run(PUT_IN_PLACE) == 0
    assert (tmp_path / "list").read_text() == "a 1\nb 2\n"
    assert (tmp_path / "erased").read_text() == "a 1\nb 2\n" * 2


def test_a_service_of_your_own_is_put_in_place_too(run: Run, tmp_path: Path) -> None:
    """Its name may be a word of SQL."""
    (tmp_path / "erasures.log").touch()
    assert run(PUT_IN_PLACE.replace("users auth; do\n", "users auth order; do\n")) == 0
    calls = (tmp_path / "calls").read_text()
    assert 'ALTER DATABASE "order" RENAME TO order_before;' in calls
    assert 'ALTER DATABASE order_restored RENAME TO "order"' in calls
    assert calls.count("eraseusers") == 2


def test_the_databases_of_before_a_restore_are_dropped(
    run: Run, tmp_path: Path
) -> None:
    """PRIV-05: erased users are in them. Containers stay as they are until then."""
    assert run(DROP) == 0
    calls = (tmp_path / "calls").read_text().splitlines()
    dropped = [call for call in calls if call.startswith("-U postgres")]
    start = "-U postgres -qc DROP DATABASE IF EXISTS"
    assert dropped == [f"{start} users_before", f"{start} auth_before"]


ENDS = ("eraseusers", "raiseepochs", "revokesessions", "republishsessions")


@pytest.mark.parametrize(
    "fails", ["highestepoch", "auth-db", "users-migrate", "users-worker", *ENDS]
)
def test_what_a_restore_could_not_put_in_place_does_not_start(
    run: Run, tmp_path: Path, fails: str
) -> None:
    """Else sessions would live again that ended after the backup."""
    (tmp_path / "list").write_text("a 1\n")
    (tmp_path / "erasures.log").write_text("b 2\n")
    assert run(PUT_IN_PLACE, fails)
    assert "compose up" not in (tmp_path / "calls").read_text()


def test_a_restore_in_kubernetes_keeps_both_lists(run: Run, tmp_path: Path) -> None:
    """PRIV-05: in the cluster too, which may be new, for the next restore. The worker
    erases until it has stopped."""
    (tmp_path / "list").write_text("a 1\n")
    (tmp_path / "late").write_text("c 3\n")
    (tmp_path / "erasures.log").write_text("b 2\n")
    assert run(f"{STOP}\n{KUBERNETES}") == 0
    assert (tmp_path / "list").read_text() == "a 1\nc 3\nb 2\n"
    assert (tmp_path / "erased").read_text() == "a 1\nc 3\nb 2\n" * 2


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
    assert (tmp_path / "erasures.all").read_text() == "a 1\nb 2\n"


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


def test_a_dump_that_cannot_be_loaded_ends_it(run: Run, tmp_path: Path) -> None:
    for name in ("users", "auth"):
        (tmp_path / f"{name}.dump").touch()
    assert run(LOAD) == 0
    assert run(LOAD, "users-db") != 0
