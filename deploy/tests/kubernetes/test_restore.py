"""The commands of docs/operations/kubernetes.md for restores and upgrades, with a
pretended `kubectl`. Here they fail, or are run later."""

import re
from pathlib import Path

import pytest

from deploy.tests.pretended_docker import ENDS, Run, calls, shell
from deploy.tests.stack import ROOT

PAGE = (ROOT / "docs" / "operations" / "kubernetes.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.S)
*_, COPY, STOP, SMALL, KUBERNETES, DROP = BLOCKS
(UPGRADE,) = (
    block for block in BLOCKS if "kubectl wait --for=condition=complete" in block
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return shell(tmp_path)


def test_a_restore_keeps_both_lists(run: Run, tmp_path: Path) -> None:
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
def test_a_restore_without_the_cluster_s_list_ends(
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


def test_a_restore_needs_no_running_worker(run: Run, tmp_path: Path) -> None:
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
def test_a_restore_that_failed_opens_no_gateway(
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
