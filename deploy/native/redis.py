"""The private Redis (or Valkey) of a stack: its users, its settings, its health."""

import re
import socket
from collections.abc import Mapping
from pathlib import Path

from .files import read_text, write_private
from .layout import Layout

NAME = "redis"
ADMIN = "admin"
# Where every service finds whether a session is alive; auth alone may write it.
SESSIONS = "session:*"
SESSIONS_WRITER = "auth"

# Reading, writing and transactions on their own keys, and the one script of the package
# `limits`, by its digest; nothing that looks at or changes the server: @dangerous, taken
# away last, holds FLUSH*, CONFIG, KEYS, DEBUG, SORT and CLIENT KILL.
COMMANDS = (
    "-@all +@read +@write +@transaction +@connection +evalsha +script|load -@dangerous"
)


def acl(hashes: Mapping[str, str]) -> str:
    """The aclfile for users and the SHA-256 of their passwords.

    Every line has to begin with `user`; a comment would keep Redis from starting.
    """
    lines = ["user default off resetkeys resetchannels -@all"]
    for user, digest in sorted(hashes.items()):
        rights = "~* &* +@all" if user == ADMIN else service_rights(user)
        lines.append(f"user {user} on #{digest} resetkeys resetchannels {rights}")
    return "\n".join(lines) + "\n"


def service_rights(service: str) -> str:
    sessions = f"~{SESSIONS}" if service == SESSIONS_WRITER else f"%R~{SESSIONS}"
    return f"{sessions} ~{service}:* {COMMANDS}"


def socket_path(layout: Layout) -> Path:
    return layout.sockets / "redis.sock"


def config_path(layout: Layout) -> Path:
    return layout.state / "redis.conf"


def write_config(layout: Layout) -> None:
    """No file of data at all: a lost key is asked for again, a restored one lies."""
    settings = {
        "port": "0",
        "unixsocket": _quoted(socket_path(layout)),
        "unixsocketperm": "700",
        "dir": _quoted(layout.work(NAME)),
        "aclfile": _quoted(layout.secrets / "redis_users.acl"),
        "daemonize": "no",
        "save": '""',
        "appendonly": "no",
        "maxmemory": "128mb",
        "maxmemory-policy": "noeviction",
        "maxclients": "500",
        "timeout": "0",
        "loglevel": "notice",
    }
    text = "".join(f"{name} {value}\n" for name, value in settings.items())
    write_private(config_path(layout), text)


def answers(layout: Layout) -> bool:
    """Whether Redis lets the administrator in and answers a PING."""
    password = read_text(layout.secrets / "redis_admin_password").strip()
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(socket_path(layout)))
            connection.sendall(f"AUTH {ADMIN} {password}\r\nPING\r\n".encode())
            received = b""
            while received.count(b"\r\n") < 2 and (part := connection.recv(256)):
                received += part
    except OSError:
        return False
    return received == b"+OK\r\n+PONG\r\n"


def _quoted(path: Path) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", str(path))
    return f'"{escaped}"'
