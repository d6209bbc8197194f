"""The CronJob of `small`, with a pretended pg_dump. What it dumps is proved by
deploy/tests/system/operations/test_backup.py."""

import subprocess
from pathlib import Path

import yaml

from .manifests import FOLDER

# It takes so long that two dumps end in another second, and no folder has a name twice.
PG_DUMP = """#!/bin/sh
for last; do :; done
sleep 0.6
echo dump > "${last#--file=}"
"""


def test_two_jobs_at_once_make_two_whole_backups(tmp_path: Path) -> None:
    """The nightly one and one by hand. Each removes drafts, which a killed one left."""
    job = next(yaml.safe_load_all((FOLDER / "overlays/small/backup.yaml").read_text()))
    spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    *shell, script = spec["containers"][0]["command"]
    backups, programs = tmp_path / "backups", tmp_path / "bin"
    (backups / "20260131T010203Z.new").mkdir(parents=True)
    programs.mkdir()
    (programs / "pg_dump").write_text(PG_DUMP)
    (programs / "pg_dump").chmod(0o755)
    (programs / "psql").symlink_to("/bin/true")
    env = {"PATH": f"{programs}:/usr/bin:/bin"}
    command = [*shell, script.replace("/backups", str(backups))]
    jobs = [subprocess.Popen(command, env=env) for _ in range(2)]
    assert [job.wait(30) for job in jobs] == [0, 0]
    whole = {"users.dump", "auth.dump", "erasures.log"}
    found = [{file.name for file in x.iterdir()} for x in backups.glob("*Z*")]
    assert found == [whole, whole]
