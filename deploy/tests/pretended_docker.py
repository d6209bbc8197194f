"""A pretended `docker`, `kubectl`, `psql` and `pg_restore`, for backup and restore."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from deploy.tests.stack import ROOT

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
# The commands of a restore that come last.
ENDS = ("eraseusers", "raiseepochs", "revokesessions", "republishsessions")


def shell(tmp_path: Path) -> Run:
    """Runs commands in a shell of its own, in a checkout with the scripts; returns its
    status. Calls with the text `fails` fail, and the step `late` fails when it has done
    its work."""
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


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()
