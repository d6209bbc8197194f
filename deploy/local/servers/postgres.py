"""A private PostgreSQL cluster for each service: its folder, its access, its roles."""

import os
import pwd
import shutil
import subprocess

from deploy.local.problems import Problem
from deploy.local.setup.files import read_env, write_private
from deploy.local.setup.layout import Layout, Service

from .programs import Job, run

# The superuser. It has no password: `peer` admits only the system user that runs us.
ADMIN = "memo_admin"
# Suffixes: of a restored database until it takes its place, and of the one before.
NEW, OLD = "_restored", "_before"
PORT = "5432"  # Part of the socket's name. No TCP port is opened.
ACCESS = f"local all {ADMIN} peer map=own\nlocal all all scram-sha-256\n"
# Without --locale, initdb takes the locale of its caller: a shell, cron, a container.
OPTIONS = ["-U", ADMIN, "-E", "UTF8", "--locale=C.UTF-8"]
OPTIONS += ["--auth-local=peer", "--auth-host=reject", "-D"]


def prepare(layout: Layout, major: int) -> None:
    """Make the clusters that are missing, each under another name first: an interrupted
    initdb leaves a folder that looks complete."""
    folders = [layout.data_folder(service, major) for service in layout.services]
    missing = [path for path in folders if not path.exists()]
    jobs = []
    for data in missing:
        if others := [*data.parents[1].glob("*/data")]:
            old = others[0].parent.name
            text = f"PostgreSQL {old} wrote the data; the installed version is {major}."
            hint = f"Install PostgreSQL {old} instead of {major}, or delete all data:"
            raise Problem(text, hint=f"{hint} {layout.command} destroy --yes")
        draft = data.with_name("data.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [layout.servers / "initdb", *OPTIONS, draft]
        jobs.append(Job("initdb", command, layout.state, layout.base_env()))
    run(*jobs)
    for data in missing:
        data.with_name("data.new").replace(data)
    user = pwd.getpwuid(os.getuid()).pw_name  # initdb needs a name, too.
    for data in folders:
        write_private(data / "pg_hba.conf", ACCESS)
        write_private(data / "pg_ident.conf", f"own {user} {ADMIN}\n")
    for service in layout.services:
        (layout.sockets / service.database).mkdir(mode=0o700, exist_ok=True)


def is_ready(layout: Layout, service: Service) -> bool:
    """Whether the server accepts sessions."""
    options = ["-q", "-h", str(layout.sockets / service.database), "-p", PORT]
    command, env = [str(layout.servers / "pg_isready"), *options], layout.base_env()
    return subprocess.run(command, env=env, check=False).returncode == 0


def url(layout: Layout, service: Service, role: str) -> str:
    """The URL of the service's database, as in its `.env` files."""
    folder, name = f"{layout.sockets}/{service.database}", service.name
    return f"postgres://{name}_{role}@/{folder}/{name}"


def is_own(layout: Layout, service: Service) -> bool:
    """Whether the service uses our database, by its `.env` file."""
    written = read_env(service.env_file).get("DATABASE_URL")
    return written == url(layout, service, "app")


def insist_on_own(layout: Layout, service: Service) -> None:
    """Raise Problem if the service uses another database than ours."""
    if not is_own(layout, service):
        text = f"DATABASE_URL of {service.name} names a server outside this stack."
        raise Problem(text, hint="Use the tools of that server.")


def call(
    layout: Layout, service: Service, program: str, *words: object, **env: str
) -> str:
    """Run a PostgreSQL program as the cluster's superuser; returns what it prints."""
    address = ["-h", layout.sockets / service.database, "-p", PORT, "-U", ADMIN]
    command = [layout.servers / program, *address, *words]
    what = f"{service.name}: {program}"
    return run(Job(what, command, layout.state, layout.base_env() | env))[0]


def psql(layout: Layout, service: Service, *words: object, **env: str) -> str:
    """Run psql, on the database `postgres` unless `-d` names one; returns the rows."""
    options = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
    return call(layout, service, "psql", *options, *words, **env).strip()


def make_roles(layout: Layout) -> None:
    """Make roles, databases and rights, by the file that the containers use too. Drop
    what a restore left: it contains erased users."""
    for service in layout.services:
        secret = f"{layout.secrets}/{service.name}_db"
        env = {
            "MEMO_SERVICE": service.name,
            "MEMO_OWNER_PASSWORD_FILE": f"{secret}_owner_password",
            "MEMO_APP_PASSWORD_FILE": f"{secret}_app_password",
        }
        psql(layout, service, "-f", layout.root / "deploy/postgres/roles.sql", **env)
        for suffix in (NEW, OLD):
            drop(layout, service, suffix)
    layout.restoring.unlink(missing_ok=True)


def drop(layout: Layout, service: Service, suffix: str) -> None:
    name = service.name + suffix
    psql(layout, service, "-c", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
