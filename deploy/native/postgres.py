"""A private PostgreSQL cluster for each service: its folder, settings and roles."""

import os
import pwd
import shutil
import socket
import struct
from pathlib import Path

from .engines import Engine
from .files import write_private
from .layout import Layout
from .problems import Problem
from .programs import Command, base_env, run
from .services import Service

# The superuser. It has no password: only our own user gets in as it, by socket.
ADMIN = "memo_admin"
PORT = "5432"  # Names the socket; nothing listens on it.


def prepare(layout: Layout, service: Service, engine: Engine) -> None:
    """Make the cluster if there is none, and render its settings."""
    _refuse_other_version(layout, service, engine)
    data = data_folder(layout, service, engine)
    if not data.exists():
        _create(layout, engine, data)
    folder = data.parent
    write_private(folder / "pg_hba.conf", ACCESS)
    write_private(folder / "pg_ident.conf", f"own {_user()} {ADMIN}\n")
    write_private(_config(layout, service, engine), _settings(layout, service, folder))
    sockets = layout.socket_folder(service.database)
    sockets.mkdir(mode=0o700, exist_ok=True)


def data_folder(layout: Layout, service: Service, engine: Engine) -> Path:
    """By major version: no server reads the folder of another one."""
    return _folder(layout, service) / str(engine.version[0]) / "data"


def command(layout: Layout, service: Service, engine: Engine) -> list[str]:
    data = data_folder(layout, service, engine)
    config = _config(layout, service, engine)
    return [engine.program, "-D", str(data), "-c", f"config_file={config}"]


def leftovers(layout: Layout, service: Service, engine: Engine) -> list[Path]:
    """Lock files that a dead server leaves, which name a pid that may be anyone's."""
    sockets = layout.socket_folder(service.database)
    data = data_folder(layout, service, engine)
    return [data / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock"]


def env(layout: Layout, engine: Engine) -> dict[str, str]:
    return {**base_env(layout), **engine.env}


def answers(layout: Layout, service: Service) -> bool:
    """Whether the server accepts sessions: it asks who we are, or knows already.

    While it starts up or recovers it answers with an error instead.
    """
    body = f"user\0{ADMIN}\0database\0postgres\0\0".encode()
    version = 3 << 16
    packet = struct.pack("!ii", len(body) + 8, version) + body
    path = layout.socket_folder(service.database) / f".s.PGSQL.{PORT}"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(path))
            connection.sendall(packet)
            first = connection.recv(1)
            connection.sendall(b"X\0\0\0\x04")  # Terminate
    except OSError:
        return False
    return first == b"R"


def apply_roles(layout: Layout, service: Service, engine: Engine) -> None:
    """Roles, database and rights, from the file that the containers use too."""
    sql = layout.root / "deploy" / "postgres" / "roles.sql"
    secrets = layout.secrets
    variables = {
        "MEMO_SERVICE": service.name,
        "MEMO_OWNER_PASSWORD_FILE": str(secrets / f"{service.name}_db_owner_password"),
        "MEMO_APP_PASSWORD_FILE": str(secrets / f"{service.name}_db_app_password"),
    }
    run(
        [
            engine.beside("psql"),
            "-X",
            "-q",
            *_target(layout, service),
            *("-v", "ON_ERROR_STOP=1", "-f", sql),
        ],
        env={**env(layout, engine), **variables},
        cwd=layout.state,
        what=f"Creating the roles of {service.database}",
    )


def _target(layout: Layout, service: Service) -> list[str]:
    host = str(layout.socket_folder(service.database))
    return ["-h", host, "-p", PORT, "-U", ADMIN, "-d", "postgres"]


def _create(layout: Layout, engine: Engine, data: Path) -> None:
    """Under another name first: an interrupted initdb leaves what looks complete."""
    fresh = data.with_name("data.new")
    shutil.rmtree(fresh, ignore_errors=True)
    data.parent.mkdir(parents=True, exist_ok=True)
    try:
        _initdb(layout, engine, fresh, "C.UTF-8")
    except Problem:  # A few systems lack it; they compare by bytes then.
        shutil.rmtree(fresh, ignore_errors=True)
        _initdb(layout, engine, fresh, "C")
    fresh.replace(data)


def _initdb(layout: Layout, engine: Engine, folder: Path, locale: str) -> None:
    command: Command = [
        *(engine.beside("initdb"), "-D", folder, "-U", ADMIN, "-E", "UTF8"),
        *(f"--locale={locale}", "--auth-local=peer", "--auth-host=reject"),
    ]
    run(command, env=env(layout, engine), cwd=layout.state, what="initdb")


def _refuse_other_version(layout: Layout, service: Service, engine: Engine) -> None:
    major = str(engine.version[0])
    found = [path.parent.name for path in _folder(layout, service).glob("*/data")]
    if found and major not in found:
        raise Problem(
            f"The data of {service.database} was written by PostgreSQL {found[0]}, and"
            f" only PostgreSQL {major} is here now.",
            hint=f"Install PostgreSQL {found[0]} again, or dump and restore, or"
            f" remove the data: {layout.command} destroy",
        )


def _folder(layout: Layout, service: Service) -> Path:
    return layout.state / "postgres" / service.name


def _config(layout: Layout, service: Service, engine: Engine) -> Path:
    return data_folder(layout, service, engine).with_name("postgresql.conf")


def _user() -> str:
    """PostgreSQL's `peer` goes by the name in the passwd file, not by $USER."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise Problem(
            f"The user id {os.getuid()} has no name on this machine, and PostgreSQL"
            " refuses to run without one.",
            hint="Run as a user that `getent passwd` knows.",
        ) from None


SETTINGS = {
    # Sockets alone: no port to clash, and file permissions guard the door.
    "listen_addresses": "''",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "64MB",
    # Containers have a small /dev/shm, and logind empties it at log-out.
    "dynamic_shared_memory_type": "mmap",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_destination": "stderr",
    "log_line_prefix": "'%m [%p] %q%u@%d '",
    # LOG-01: no value of a statement, a key or a row in the log, ever.
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}

# `peer`: the kernel says who connects. No administrator's password exists at all.
ACCESS = f"""\
local all {ADMIN} peer map=own
local all all scram-sha-256
"""


def _settings(layout: Layout, service: Service, folder: Path) -> str:
    sockets = layout.socket_folder(service.database)
    places = {
        "hba_file": f"'{_escaped(folder / 'pg_hba.conf')}'",
        "ident_file": f"'{_escaped(folder / 'pg_ident.conf')}'",
        "unix_socket_directories": f"'\"{_escaped(sockets)}\"'",
    }
    settings = {**places, **SETTINGS}
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
