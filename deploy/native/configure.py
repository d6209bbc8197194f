"""What the `.env` files say: the settings of each service and of the gateway.

Secrets are not among them, only the paths of their files.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import redis, secretfiles
from .addresses import LOOPBACK, Addresses
from .envfiles import Setting, complete, parse, read
from .files import read_text, write_private
from .layout import Layout
from .services import Service

# Values we would have written ourselves, and so may renew.
_OUR_URL = r"http://localhost(:\d+)?"
_OUR_INTERNAL_URL = r"http://127\.0\.0\.1:\d+"
_OVERRIDE = "compose.override.yaml"
_OUR_COMPOSE_FILES = (
    r"compose\.yaml(:[a-z][a-z0-9_]*_project/compose\.yaml)+"
    rf"(:{re.escape(_OVERRIDE)})?"
)

HEADING = """\
Written by ./manage_all.sh and yours to change: lines that are here stay, missing
ones are added, and only addresses of this machine are kept up to date.
Secrets are in files of their own, which the _FILE names point to."""


def ensure(layout: Layout, services: Sequence[Service], addresses: Addresses) -> bool:
    """Write all env files of the stack, completing those that are there. True when
    there was none before."""
    first = not any(read(service.env_file(layout)) for service in services)
    for path, settings in _files(layout, services, addresses):
        _update(path, settings)
    return first


def pending(
    layout: Layout, services: Sequence[Service], addresses: Addresses
) -> dict[Path, dict[str, str]]:
    """What `ensure` would add to each file, or renew in it."""
    found = {}
    for path, settings in _files(layout, services, addresses):
        before = read_text(path)
        after = parse(complete(before, settings, HEADING))
        now = parse(before)
        found[path] = {k: v for k, v in after.items() if now.get(k) != v}
    return found


def _files(
    layout: Layout, services: Sequence[Service], addresses: Addresses
) -> Iterator[tuple[Path, list[Setting]]]:
    """Every env file, and the lines it has to have."""
    gateway = [*gateway_settings(addresses), compose_files(layout, services)]
    yield layout.gateway_env, gateway
    for service in services:
        settings = service_settings(layout, service, services, addresses)
        yield service.env_file(layout), settings
        yield service.migrate_env_file(layout), migrate_settings(layout, service)


def forget(layout: Layout, gone: Service, services: Sequence[Service]) -> None:
    """Take out of the env files that stay what they say of a service."""
    names = ("SERVICE_URL", "SERVICE_API_KEY", "SERVICE_API_KEY_FILE")
    lines = [Setting(f"{gone.variable}_{name}", "", ours=".*") for name in names]
    files = [(service.env_file(layout), lines) for service in services]
    files.append((layout.gateway_env, [compose_files(layout, services)]))
    for path, settings in files:
        if read_text(path):
            _update(path, settings)


def public_url(layout: Layout) -> str:
    return read(layout.gateway_env).get("GATEWAY_PUBLIC_URL", "")


def service_settings(
    layout: Layout,
    service: Service,
    services: Sequence[Service],
    addresses: Addresses,
) -> list[Setting]:
    return [
        *_general_settings(layout, service),
        *_host_settings(service, addresses),
        *_store_settings(layout, service),
        *_token_settings(layout, service, addresses),
        *_call_settings(layout, service, services, addresses),
    ]


def _general_settings(layout: Layout, service: Service) -> list[Setting]:
    key = _secret_path(layout, service)(f"{service.name}_secret_key")
    return [
        Setting(
            "ENVIRONMENT",
            "development",
            "`production` refuses whatever is unsafe there, plain http included.",
        ),
        Setting("DEBUG", "false"),
        Setting("LOG_LEVEL", "INFO"),
        Setting("SECRET_KEY_FILE", key),
        Setting("STATIC_ROOT", _relative(layout.static, service)),
        Setting("COOKIE_SECURE", "false", "Plain http on localhost; true with TLS."),
        *_limit_settings(service),
    ]


def _limit_settings(service: Service) -> list[Setting]:
    """Here all clients have one address. Where they do not, leave the line out."""
    name, comment = "REGISTRATION_LIMIT_ADDRESS", "Of one machine; 5/hour without."
    return [Setting(name, "100/hour", comment)] if service.name == "users" else []


def _host_settings(service: Service, addresses: Addresses) -> list[Setting]:
    return [
        Setting("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]", "Hosts the public uses."),
        Setting("INTERNAL_HOSTS", "127.0.0.1,localhost", "Hosts the services use."),
        Setting(
            "BIND",
            f"{LOOPBACK}:{addresses.services[service.name]}",
            "Where gunicorn listens.",
            r"127\.0\.0\.1:\d+",
        ),
    ]


def _store_settings(layout: Layout, service: Service) -> list[Setting]:
    secret = _secret_path(layout, service)
    name = service.name
    return [
        _database(layout, service, "app", "DATABASE_URL"),
        Setting("DATABASE_PASSWORD_FILE", secret(f"{name}_db_app_password")),
        Setting(
            "REDIS_URL",
            f"unix://{name}@{redis.socket_path(layout)}",
            ours=rf"unix://{name}@/.*",
        ),
        Setting("REDIS_PASSWORD_FILE", secret(f"{name}_redis_password")),
    ]


def _token_settings(
    layout: Layout, service: Service, addresses: Addresses
) -> list[Setting]:
    secret = _secret_path(layout, service)
    issuer = public_url(layout)
    if not issuer or re.fullmatch(_OUR_URL, issuer):
        issuer = addresses.url
    settings = [
        Setting("JWT_ISSUER", issuer, "The public URL of the gateway.", _OUR_URL),
        Setting("JWT_AUDIENCE", "memo"),
        Setting("JWT_PUBLIC_KEYS_DIR", secret("keys/public")),
    ]
    if service.name == "auth":  # It alone signs.
        settings.append(Setting("JWT_PRIVATE_KEYS_DIR", secret("keys/private")))
    return settings


def _call_settings(
    layout: Layout,
    service: Service,
    services: Sequence[Service],
    addresses: Addresses,
) -> list[Setting]:
    """Whom this service accepts, and how it calls each of the others."""
    secret = _secret_path(layout, service)
    accepted = secret(secretfiles.list_name(service.name))
    settings = [Setting("INTERNAL_API_KEYS_FILE", accepted)]
    for other in services:
        if other == service:
            continue
        url = f"http://{LOOPBACK}:{addresses.services[other.name]}"
        key = secret(secretfiles.key_name(service.name, other.name))
        settings += [
            Setting(f"{other.variable}_SERVICE_URL", url, ours=_OUR_INTERNAL_URL),
            Setting(f"{other.variable}_SERVICE_API_KEY_FILE", key),
        ]
    return settings


def migrate_settings(layout: Layout, service: Service) -> list[Setting]:
    secret = _secret_path(layout, service)
    return [
        _database(layout, service, "owner", "MIGRATION_DATABASE_URL"),
        Setting(
            "MIGRATION_DATABASE_PASSWORD_FILE",
            secret(f"{service.name}_db_owner_password"),
        ),
    ]


def gateway_settings(addresses: Addresses) -> list[Setting]:
    return [
        Setting(
            "GATEWAY_PORT",
            str(addresses.gateway),
            "Where the gateway listens. Change the port with"
            " GATEWAY_PORT=8081 ./manage_all.sh up.",
            r"\d+",
        ),
        Setting("GATEWAY_BIND", LOOPBACK),
        Setting("GATEWAY_PUBLIC_URL", addresses.url, ours=_OUR_URL),
        Setting("MEMO_UID", str(os.getuid()), "Who runs the containers.", r"\d+"),
        Setting("MEMO_GID", str(os.getgid()), ours=r"\d+"),
        Setting("ENVIRONMENT", "development", "For the containers; see the services'."),
        Setting("COOKIE_SECURE", "false"),
    ]


def compose_files(layout: Layout, services: Sequence[Service]) -> Setting:
    """What Compose is to read beside its own file, where services bring something.

    Once it is told, it no longer looks for the override by itself.
    """
    root = layout.root
    found = [service.project / "compose.yaml" for service in services]
    paths = [str(path.relative_to(root)) for path in found if path.exists()]
    if not paths or layout.stack:
        return Setting("COMPOSE_FILE", "", ours=_OUR_COMPOSE_FILES)
    override = [_OVERRIDE] if (root / _OVERRIDE).exists() else []
    value = ":".join(["compose.yaml", *paths, *override])
    return Setting("COMPOSE_FILE", value, ours=_OUR_COMPOSE_FILES)


def _database(layout: Layout, service: Service, role: str, variable: str) -> Setting:
    """By socket: there is no port to clash, and file permissions guard it too."""
    user = f"{service.name}_{role}"
    folder = layout.socket_folder(service.database)
    return Setting(
        variable,
        f"postgres://{user}@/{folder}/{service.name}",
        ours=rf"postgres://{user}@//.*",
    )


def _secret_path(layout: Layout, service: Service) -> Callable[[str], str]:
    """Where a secret lies, as that service's env file names it."""
    return f"{_relative(layout.secrets, service)}/{{}}".format


def _relative(path: Path, service: Service) -> str:
    """As seen from the project's folder, so that a checkout can be moved."""
    return os.path.relpath(path, service.project)


def _update(path: Path, settings: Sequence[Setting]) -> None:
    before = read_text(path)
    after = complete(before, settings, HEADING)
    if after != before:
        write_private(path, after)
    if path.stat().st_mode & 0o77 and path.stat().st_uid == os.getuid():
        path.chmod(0o600)
