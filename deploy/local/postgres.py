"""A private PostgreSQL cluster for each service: its folder, its access, its roles."""

import os
import pwd
import shutil

from .files import write_private
from .layout import Layout, Service
from .problems import Problem, ProgramFailed
from .programs import Job, Program, run

# The superuser. It has no password: the kernel says who connects, and lets us alone in.
ADMIN = "memo_admin"
PORT = "5432"  # It names the socket. Nothing listens on it.
ACCESS = f"local all {ADMIN} peer map=own\nlocal all all scram-sha-256\n"


def prepare(layout: Layout, major: int) -> None:
    """Make the clusters that are missing, each under another name first: an interrupted
    initdb leaves what looks complete."""
    # Without a locale of its own it would take the one of a shell, cron or container.
    options = ["-U", ADMIN, "-E", "UTF8", "--locale=C.UTF-8"]
    options += ["--auth-local=peer", "--auth-host=reject", "-D"]
    folders = {s: layout.postgres / s.name / str(major) for s in layout.services}
    missing = [path for path in folders.values() if not (path / "data").exists()]
    for service, folder in folders.items():
        written = [path.parent.name for path in folder.parent.glob("*/data")]
        if written and folder in missing:
            raise _other_version(layout, service, written[0], major)
    for folder in missing:
        shutil.rmtree(folder / "data.new", ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    initdb, env = layout.servers / "initdb", layout.base_env()
    jobs = ([initdb, *options, folder / "data.new"] for folder in missing)
    run(*(Job("initdb", job, layout.state, env) for job in jobs))
    for folder in missing:
        (folder / "data.new").replace(folder / "data")
    for service, folder in folders.items():
        write_private(folder / "data" / "pg_hba.conf", ACCESS)
        write_private(folder / "data" / "pg_ident.conf", f"own {_user()} {ADMIN}\n")
        (layout.sockets / service.database).mkdir(mode=0o700, exist_ok=True)


def program(layout: Layout, service: Service, major: int) -> Program:
    """The server, on a socket alone. Its data lies in a folder by the major version, as
    no server reads the folder of another one."""
    data = layout.postgres / service.name / str(major) / "data"
    sockets = layout.sockets / service.database
    options = {
        "config_file": layout.root / "deploy" / "postgres" / "postgresql.conf",
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": sockets,
        "unix_socket_permissions": "0700",
    }
    words = [
        word for name, text in options.items() for word in ("-c", f"{name}={text}")
    ]
    return Program(
        name=service.database,
        command=[str(layout.servers / "postgres"), "-D", str(data), *words],
        folder=data,
        priority=10,
        # "Fast": TERM would wait until every client has left.
        stop_signal="INT",
        # They name the pid of a dead server, which may be another program's by now.
        stale_files=[data / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock"],
    )


def is_ready(layout: Layout, service: Service) -> bool:
    """Whether the server accepts sessions."""
    sockets = layout.sockets / service.database
    command = [layout.servers / "pg_isready", "-q", "-h", sockets, "-p", PORT]
    try:
        run(Job(service.database, command, layout.state, layout.base_env()))
    except ProgramFailed:
        return False
    return True


def roles(layout: Layout, service: Service) -> Job:
    """Roles, database and rights, from the file that the containers use too."""
    words = ["-X", "-q", "-h", layout.sockets / service.database, "-p", PORT]
    words += ["-U", ADMIN, "-d", "postgres", "-v", "ON_ERROR_STOP=1"]
    sql = layout.root / "deploy" / "postgres" / "roles.sql"
    secret = f"{layout.secrets}/{service.name}_db"
    env = {
        **layout.base_env(),
        "MEMO_SERVICE": service.name,
        "MEMO_OWNER_PASSWORD_FILE": f"{secret}_owner_password",
        "MEMO_APP_PASSWORD_FILE": f"{secret}_app_password",
    }
    command = [layout.servers / "psql", *words, "-f", sql]
    return Job(f"Making the roles of {service.name}", command, layout.state, env)


def _other_version(layout: Layout, service: Service, old: str, new: int) -> Problem:
    return Problem(
        f"The data of {service.database} was written by PostgreSQL {old}, and only"
        f" PostgreSQL {new} is here now.",
        hint=f"Install PostgreSQL {old} again, or dump and restore, or remove the data:"
        f" {layout.command} destroy",
    )


def _user() -> str:
    """PostgreSQL asks for the name in the passwd file, and refuses to run without."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        text = f"The user id {os.getuid()} has no name, which PostgreSQL needs."
        raise Problem(text, hint="Run as a user that `getent passwd` knows.") from None
