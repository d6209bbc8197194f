"""`startservice`: a project for a new service, from deploy/service_template."""

import argparse
import keyword
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from .problems import USAGE, Problem
from .setup.layout import Layout

TEMPLATE = "deploy/service_template"
RENDERED = "py,md,yaml,ini,conf,example"
# The name becomes a package, a host, a role, a database, a key prefix, a route and a
# word of the command line. No host may have `_` (RFC 1123).
PATTERN = re.compile(r"[a-z][a-z0-9]{0,18}")
FORM = "a letter and up to 18 more letters or digits, all lower-case, such as `notes`"
# Redis: the key prefix of session states, and users that have a meaning already.
REDIS = "admin default session sessions"
# Callers of services: the names of their API key files.
CALLERS = "metrics"
# PostgreSQL's databases, roles and words of pg_hba.conf; containers and processes. No
# role may begin with `pg_`.
SERVERS = "all memo postgres public replication sameuser samerole template0 template1"
SERVERS += " pg gateway localhost nginx redis supervisor"
ROUTES = "api health service services static"
YAML = "false n no none null off on true y yes"
RESERVED = {"help", *f"{REDIS} {CALLERS} {SERVERS} {ROUTES} {YAML}".split()}
# Commands and suites of ./manage_all.sh.
HELP = Path(__file__).with_name("templates") / "help.txt"
RESERVED |= {*re.findall(r"^  ([a-z]+)\b", HELP.read_text("utf-8"), re.MULTILINE)}
SUITES = Path(__file__).parents[1] / "suites.toml"
RESERVED |= tomllib.loads(SUITES.read_text("utf-8")).keys()
# Labels of installed apps. The others are importable, and so refused by Django.
SETTINGS = Path(__file__).parents[2] / "shared" / "settings.py"
LABELS = re.compile(r'"django\.contrib\.(\w+)"')
RESERVED |= {*LABELS.findall(SETTINGS.read_text("utf-8"))}
NEXT = """\
  {name}_project/
  nginx/services/{name}.conf
memo: the service `{name}` is made; next
  {command} up            make its database, secrets and settings, and start it
  {command} test {name}    run its tests
  {name}_project/README.md        what to change (docs/integration.md: how it works)"""


def run(layout: Layout, arguments: Sequence[str]) -> None:
    """Write all files of the service, or none of them."""
    parser = argparse.ArgumentParser("startservice", description=__doc__)
    parser.add_argument("name")
    name = parser.parse_args(arguments).name
    if reason := fault(layout, name):
        raise Problem(f"`{name}` cannot be a service: {reason}", code=USAGE)
    with tempfile.TemporaryDirectory(
        prefix=".startservice-", dir=layout.root
    ) as folder:
        _generate(layout, name, Path(folder))
        # The project last: its folder is what makes it a service.
        for source, target in zip(
            ("nginx.conf", "project"), places(layout.root, name), strict=True
        ):
            shutil.move(Path(folder, source), target)
    print(NEXT.format(name=name, command=layout.command))


def places(root: Path, name: str) -> tuple[Path, Path]:
    """The routes of a service at the gateway, and its folder."""
    return root / "nginx" / "services" / f"{name}.conf", root / f"{name}_project"


def fault(layout: Layout, name: str) -> str:
    """What is wrong with the name; empty if nothing is. `startproject` refuses names of
    importable modules later, also of installed packages."""
    if not PATTERN.fullmatch(name):
        return f"it must be {FORM}."
    routes, project = places(layout.root, name)
    if project.exists():
        return f"{project.name} exists: there is such a service already."
    if routes.exists():
        return f"{routes.relative_to(layout.root)} exists."
    if keyword.iskeyword(name):
        return "it is a keyword of Python."
    if name in RESERVED:
        return "the name is reserved; choose another."
    command = f"management/commands/{name}.py"
    folders = [*layout.root.glob("[!.]*"), *layout.venv.glob("lib/*/site-packages")]
    if any(path for folder in folders for path in folder.rglob(command)):
        return "it is a command of manage.py."
    return ""


def _generate(layout: Layout, name: str, folder: Path) -> None:
    """Run Django's `startproject`, which refuses the names of importable modules."""
    projects = [str(path.parent) for path in layout.root.glob("*_project/manage.py")]
    command = [str(layout.python), "-m", "django", "startproject", name, str(folder)]
    command += ["--template", str(layout.root / TEMPLATE), "--extension", RENDERED]
    script = (layout.root / "manage_all.sh").stat()
    done = subprocess.run(
        command,
        cwd=layout.root,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(projects)},
        # As readable as the rest of the code: another user may have to read it.
        umask=~script.st_mode & 0o777,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Problem(done.stderr.strip().removeprefix("CommandError: "), code=USAGE)
    if os.geteuid() == 0:
        for path in folder.rglob("*"):
            os.chown(path, script.st_uid, script.st_gid)
