"""The secrets of a stack: made once, one file each, never printed."""

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from . import redis
from .files import read_text, write_private
from .layout import Layout
from .problems import Problem
from .services import Service

# 48 random bytes: 384 bits, 64 characters; more than SECRET_KEY's 50.
RANDOM_BYTES = 48
REDIS_USERS = "redis_users.acl"


def ensure(layout: Layout, services: Sequence[Service]) -> list[str]:
    """Make what is missing and leave what is there. Returns the names made."""
    made = [name for name in _simple_names(services) if _ensure_random(layout, name)]
    made += [name for name in _call_names(services) if _ensure_random(layout, name)]
    for service in services:
        _accept_callers(layout, service, services)
    _render_redis_users(layout, services)
    return made


def forget(layout: Layout, gone: Service, services: Sequence[Service]) -> None:
    """Remove a service's secrets, and what lets it in at those that stay."""
    kept = {*_simple_names(services), *_call_names(services)}
    kept |= {list_name(service.name) for service in services}
    patterns = (f"{gone.name}_*", key_name("*", gone.name))
    for path in [path for each in patterns for path in layout.secrets.glob(each)]:
        if path.name not in kept:
            path.unlink(missing_ok=True)
    for service in services:
        name = list_name(service.name)
        items = read_text(layout.secrets / name).split(",")
        left = [item for item in items if item.partition("=")[0].strip() != gone.name]
        _write_if_new(layout, name, ",".join(left))
    if (layout.secrets / REDIS_USERS).exists():
        _render_redis_users(layout, services)


def key_name(caller: str, callee: str) -> str:
    """File with the key that `caller` presents to `callee`."""
    return f"{caller}_{callee}_service_api_key"


def list_name(callee: str) -> str:
    """File with the keys that `callee` accepts, each with its caller."""
    return f"{callee}_internal_api_keys"


def is_live(name: str) -> bool:
    """Whether services that run see a change of this file by themselves."""
    return name.endswith(("_service_api_key", "_internal_api_keys"))


def callers(path: Path) -> list[tuple[str, str]]:
    """The pairs (caller, key) in such a file."""
    items = [item for item in read_text(path).strip().split(",") if item]
    pairs = [(name, key) for name, _, key in (item.partition("=") for item in items)]
    if not all(name and key for name, key in pairs):
        raise Problem(f"{path} must be a list of caller=key.")
    return pairs


def write_callers(path: Path, pairs: Sequence[tuple[str, str]]) -> None:
    write_private(path, ",".join(f"{name}={key}" for name, key in pairs))


def random() -> str:
    return secrets.token_urlsafe(RANDOM_BYTES)


def _simple_names(services: Sequence[Service]) -> list[str]:
    kinds = (
        "secret_key",
        "db_app_password",
        "db_owner_password",
        "db_superuser_password",
        "redis_password",
    )
    names = [f"{service.name}_{kind}" for service in services for kind in kinds]
    return [*names, "redis_admin_password"]


def _call_names(services: Sequence[Service]) -> list[str]:
    return [
        key_name(caller.name, callee.name)
        for caller in services
        for callee in services
        if caller != callee
    ]


def _ensure_random(layout: Layout, name: str) -> bool:
    path = layout.secrets / name
    if read_text(path).strip():
        return False
    write_private(path, random())
    return True


def _accept_callers(
    layout: Layout, service: Service, services: Sequence[Service]
) -> None:
    """Add each caller that is not listed. Listed keys stay: one may be rotating."""
    path = layout.secrets / list_name(service.name)
    accepted = callers(path)
    known = {caller for caller, _ in accepted}
    missing = [c.name for c in services if c != service and c.name not in known]
    for name in missing:
        key = read_text(layout.secrets / key_name(name, service.name))
        accepted.append((name, key.strip()))
    if missing or not path.exists():
        write_callers(path, accepted)


def _render_redis_users(layout: Layout, services: Sequence[Service]) -> None:
    """Redis' users; hashes only, so the file gives no password away."""
    files = {service.name: f"{service.name}_redis_password" for service in services}
    files[redis.ADMIN] = "redis_admin_password"
    hashes = {
        user: hashlib.sha256(read_text(layout.secrets / name).strip().encode())
        for user, name in files.items()
    }
    digests = {user: found.hexdigest() for user, found in hashes.items()}
    _write_if_new(layout, REDIS_USERS, redis.acl(digests))


def _write_if_new(layout: Layout, name: str, text: str) -> None:
    path = layout.secrets / name
    if read_text(path) != text:
        write_private(path, text)
