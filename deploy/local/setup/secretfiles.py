"""The secrets of a stack: made once, one file each, never printed."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import permutations
from pathlib import Path

from deploy.local.problems import Problem

from .files import read_text, write_private
from .layout import Layout

# 384 bits, 64 characters: more than Django asks of a SECRET_KEY.
RANDOM_BYTES = 48
KINDS = (
    "secret_key",
    "db_app_password",
    "db_owner_password",
    "db_superuser_password",
    "redis_password",
)
# The key that a caller presents, and the list of keys that a callee accepts.
KEY = "{}_{}_service_api_key"
LIST = "{}_internal_api_keys"
# Prometheus, which calls every service for its metrics.
METRICS = "metrics"
REDIS_ADMIN = "redis_admin_password"
# The keys of TOTP secrets. The last name encrypts: users/factors/secrets.py.
FACTOR_KEYS, FACTOR_KEY = "factor_keys", "{:%Y%m%dT%H%M%SZ}.key"
# The Auth Service writes session states, and all services read them.
SESSIONS = {"auth": "~session:*"}
READ_SESSIONS = "%R~session:*"
# Services read, write and use transactions on their own keys, and run the script of the
# package `limits` by its digest. @dangerous, removed last, holds the commands that
# inspect or change the server: FLUSH*, CONFIG, KEYS, CLIENT KILL.
COMMANDS = (
    "-@all +@read +@write +@transaction +@connection +evalsha +script|load -@dangerous"
)


def ensure(layout: Layout) -> None:
    """Make the files that are missing and leave existing ones."""
    names = [service.name for service in layout.services]
    files = [f"{name}_{kind}" for name in names for kind in KINDS]
    files += [KEY.format(*pair) for pair in permutations(names, 2)]
    files += [KEY.format(METRICS, name) for name in names]
    for file in [*files, REDIS_ADMIN]:
        path = layout.secrets / file
        if not read_text(path).strip():
            write_private(path, secrets.token_urlsafe(RANDOM_BYTES))
    for callee in names:
        path = layout.secrets / LIST.format(callee)
        accepted = [x for x in callers(path) if not _is_gone(layout, x[0], callee)]
        for caller in [*names, METRICS]:
            # A caller that is listed keeps its keys: a rotation may be under way.
            if caller != callee and caller not in dict(accepted):
                key = read_text(layout.secrets / KEY.format(caller, callee))
                accepted.append((caller, key.strip()))
        write_callers(path, accepted)
    write_private(layout.secrets / "redis_users.acl", redis_users(layout))
    _ensure_factor_key(layout)


def _ensure_factor_key(layout: Layout) -> None:
    """Make the first key. Without it no TOTP can be verified, so backups contain it."""
    folder = layout.secrets / FACTOR_KEYS
    folder.mkdir(mode=0o700, exist_ok=True)
    if not any(folder.glob("*.key")):
        path = folder / FACTOR_KEY.format(datetime.now(UTC))
        write_private(path, secrets.token_hex(32), 0o400)
        print(f"memo: new key of second factors {path}\n  Keep it with your backups.")
        if any(layout.postgres.glob("*/*/data")):
            print("  If there were keys before, restore them from a backup now.")


def _is_gone(layout: Layout, caller: str, callee: str) -> bool:
    """Whether the caller was a service of this checkout: its key file is still here."""
    names = {METRICS, *(service.name for service in layout.services)}
    key = layout.secrets / KEY.format(caller, callee)
    return caller not in names and key.exists()


def revision(layout: Layout, pattern: str) -> str:
    """A hash of these files. A container keeps the files of its start, so Compose
    replaces it when the hash changes."""
    digest = sha256()
    for path in sorted(layout.secrets.glob(pattern)):
        if path.is_file():
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def redis_users(layout: Layout) -> str:
    """Redis' file of users, with the SHA-256 of their passwords. Every line begins with
    `user`: a comment would keep Redis from starting."""
    rights = {"admin": (REDIS_ADMIN, "~* &* +@all")}
    for name in (service.name for service in layout.services):
        granted = f"{SESSIONS.get(name, READ_SESSIONS)} ~{name}:* {COMMANDS}"
        rights[name] = (f"{name}_redis_password", granted)
    lines = ["user default off resetkeys resetchannels -@all"]
    for user, (file, granted) in sorted(rights.items()):
        # A missing file raises an error. It must not become an empty password.
        password = (layout.secrets / file).read_text(encoding="utf-8").strip()
        digest = sha256(password.encode()).hexdigest()
        lines.append(f"user {user} on #{digest} resetkeys resetchannels {granted}")
    return "\n".join(lines) + "\n"


def callers(path: Path) -> list[tuple[str, str]]:
    """The pairs of caller and key in a list of accepted keys."""
    items = [item for item in read_text(path).strip().split(",") if item]
    pairs = [(name, key) for name, _, key in (item.partition("=") for item in items)]
    if not all(name and key for name, key in pairs):
        raise Problem(f"{path} must be a list of caller=key.")
    return pairs


def write_callers(path: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Write a list of accepted keys."""
    write_private(path, ",".join(f"{name}={key}" for name, key in pairs))
