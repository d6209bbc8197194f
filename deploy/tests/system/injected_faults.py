"""Faults for `doctor` to find, injected into the running stack: each a context that
removes it again. Next to each, where it has to be found and by which id."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import psycopg

from deploy.tests.stack import System, as_it_was
from nginx.tests.stub_service import Stub, StubHandler
from shared.keys import signing_keys

Fault = Callable[[System, Path], AbstractContextManager[None]]
HOUR = 3600.0


@contextmanager
def lines(path: Path, *changes: tuple[str, str]) -> Iterator[None]:
    """With a file's text changed; afterwards it is what it was, to its times."""
    changed = path.read_text()
    for old, new in changes:
        assert old in changed, (path.name, old)
        changed = changed.replace(old, new)
    with as_it_was(path):
        path.write_text(changed)
        yield


def setting(service: str, **values: str) -> Fault:
    """Lines at the end of a service's env file, which count more than those above."""

    def inject(system: System, scratch: Path) -> AbstractContextManager[None]:
        path = system.state / "env" / f"{service}.env"
        told = "".join(f"{name}={value}\n" for name, value in values.items())
        names = tuple(f"{name}=" for name in values)
        kept = [x for x in path.read_text().splitlines(True) if not x.startswith(names)]
        return lines(path, (path.read_text(), "".join(kept) + told))

    return inject


def secret(name: str, value: str) -> Fault:
    def inject(system: System, scratch: Path) -> AbstractContextManager[None]:
        path = system.state / "secrets" / name
        return lines(path, (path.read_text(), value))

    return inject


def mode(bits: int, *parts: str) -> Fault:
    @contextmanager
    def inject(system: System, scratch: Path) -> Iterator[None]:
        (path,) = system.state.glob("/".join(parts))
        before = path.stat().st_mode
        path.chmod(bits)
        try:
            yield
        finally:
            path.chmod(before)

    return inject


# ---- Redis ---------------------------------------------------------------------------


def redis_config(name: str, value: str) -> Fault:
    @contextmanager
    def inject(system: System, scratch: Path) -> Iterator[None]:
        with system.redis() as admin:
            before = admin.config_get(name)[name]
            admin.config_set(name, value)
            try:
                yield
            finally:
                admin.config_set(name, before)

    return inject


def redis_user(*words: str) -> Fault:
    @contextmanager
    def inject(system: System, scratch: Path) -> Iterator[None]:
        with system.redis() as admin:
            admin.execute_command("ACL", "SETUSER", *words)
        try:
            yield
        finally:
            with system.redis() as admin:
                admin.execute_command("ACL", "LOAD")

    return inject


# ---- PostgreSQL ----------------------------------------------------------------------


def sql(service: str, inject_it: str, take_out: str) -> Fault:
    """As the cluster's administrator: the user that runs the stack (`peer`)."""

    @contextmanager
    def inject(system: System, scratch: Path) -> Iterator[None]:
        with administrator(system, service) as connection:
            connection.execute(inject_it)
            try:
                yield
            finally:
                connection.execute(take_out)

    return inject


def administrator(system: System, service: str) -> psycopg.Connection[Any]:
    connection = system.connect(service, "memo_admin", "")
    connection.autocommit = True
    return connection


@contextmanager
def waiting_migration(system: System, scratch: Path) -> Iterator[None]:
    """The last of the Auth Service's, as if it had never been applied."""
    with administrator(system, "auth") as connection:
        row = connection.execute(
            "DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM"
            " django_migrations WHERE app = 'tokens') RETURNING app, name, applied"
        ).fetchone()
        try:
            yield
        finally:
            connection.execute(
                "INSERT INTO django_migrations (app, name, applied)"
                " VALUES (%s, %s, %s)",
                row,
            )


EXPIRED_SESSION = (
    "INSERT INTO tokens_session (id, user_id, user_epoch, jti, created_at,"
    " last_used_at, expires_at, absolute_expires_at, revoked_reason, user_agent)"
    " SELECT gen_random_uuid(), gen_random_uuid(), 0, gen_random_uuid(), t, t,"
    " t + interval '1 day', t + interval '2 days', '', 'doctor'"
    " FROM (SELECT now() - interval '9 days' AS t) AS times"
)
EXPIRED_LOG_IN = (
    "INSERT INTO django_session VALUES ('doctor', '', now() - interval '9 days')"
)

# ---- Keys and other services ---------------------------------------------------------


@contextmanager
def other_keys(system: System, scratch: Path) -> Iterator[None]:
    """The Auth Service's settings name a folder that the running one does not serve,
    in which the private key can be read by others."""
    kid = signing_keys.generate(scratch / "keys", bits=2048)
    (scratch / "keys" / "private" / f"{kid}.pem").chmod(0o444)
    folders = {
        "JWT_PRIVATE_KEYS_DIR": str(scratch / "keys" / "private"),
        "JWT_PUBLIC_KEYS_DIR": str(scratch / "keys" / "public"),
    }
    with setting("auth", **folders)(system, scratch):
        yield


def public_address(system: System, scratch: Path) -> AbstractContextManager[None]:
    """Settings that would have gunicorn listen to everybody, once it starts anew."""
    port = system.settings("users")["BIND"].rpartition(":")[2]
    return setting("users", BIND=f"8.8.8.8:{port}")(system, scratch)


@contextmanager
def stub_of_auth(system: System, scratch: Path) -> Iterator[None]:
    """An Auth Service whose clock is an hour fast, and which publishes no key."""

    answers: dict[str, tuple[int, bytes]] = {
        "/api/v1/auth/health/live": (200, b'{"service": "auth"}'),
        "/api/v1/auth/verify_token": (401, b'{"code": "token_invalid"}'),
    }

    def answer(handler: StubHandler) -> None:
        handler.date_time_string = lambda timestamp=None: formatdate(  # type: ignore[method-assign]
            time.time() + HOUR, usegmt=True
        )
        status, body = answers.get(handler.path, (200, b'{"keys": []}'))
        handler.reply(status, {"Content-Type": "application/json"}, body)

    stub = Stub("auth")
    stub.answer = answer
    url = {"AUTH_SERVICE_URL": f"http://{stub.address}"}
    try:
        with setting("users", **url)(system, scratch):
            yield
    finally:
        stub.shutdown()
        stub.server_close()


# ---- The gateway ---------------------------------------------------------------------


def gateway(file: str, old: str, new: str) -> Fault:
    def inject(system: System, scratch: Path) -> AbstractContextManager[None]:
        return lines(system.state / "gateway" / "conf" / file, (old, new))

    return inject


def reload_gateway(system: System) -> None:
    """After all files have changed; until no worker of before takes connections."""
    master = system.status()["processes"]["gateway"]["pid"]
    before = set(system.family("gateway")) - {master}
    os.kill(master, signal.SIGHUP)
    deadline = time.monotonic() + 10
    while before & set(system.family("gateway")) and time.monotonic() < deadline:
        time.sleep(0.05)


def location(path: str, *words: str) -> Fault:
    """One more, before the first there is in the gateway's server."""
    text = f"location = {path} {{ {' '.join(words)} }}\n    location /static/ {{"
    return gateway("gateway.conf", "location /static/ {", text)


PROXY, API = "includes/proxy.conf", "includes/api.conf"
TO_USERS = (f"include {PROXY};", f"include {API};", "proxy_pass http://users;")

# Name: (where it is found, by which id, how it is injected).
INJECTED_FAULTS: dict[str, tuple[str, str, Fault]] = {
    "wrong-api-key": (
        "auth",
        "apikeys.users",
        secret(
            "auth_users_service_api_key", "S3cr-iT_p9QzXwVb7LkMnH2dJgFyRtUo5AaEeCv0N1hK"
        ),
    ),
    "clock-an-hour-fast": ("users", "clock.auth", stub_of_auth),
    "other-keys-published": ("users", "keys.published", stub_of_auth),
    "signing-key-unpublished": ("auth", "keys.signing", other_keys),
    "private-key-for-everybody": ("auth", "memo.E003", other_keys),
    "key-of-the-stack-for-everybody": (
        "machine",
        "files",
        mode(0o444, "secrets/keys/private/*.pem"),
    ),
    "env-file-for-everybody": ("users", "files.modes", mode(0o644, "env/users.env")),
    "redis-evicts": (
        "auth",
        "redis.policy",
        redis_config("maxmemory-policy", "allkeys-lru"),
    ),
    "redis-persists": ("auth", "redis.persistence", redis_config("save", "3600 1")),
    "redis-unlimited": ("auth", "redis.limit", redis_config("maxmemory", "0")),
    "redis-lets-strangers-in": (
        "users",
        "redis.strangers",
        redis_user("default", "on", "nopass", "+@all"),
    ),
    "redis-user-administers": ("auth", "redis.rights", redis_user("auth", "+config")),
    "redis-user-may-flush": ("auth", "redis.commands", redis_user("auth", "+flushall")),
    "users-writes-sessions": (
        "users",
        "redis.sessions",
        redis_user("users", "~session:*"),
    ),
    "role-is-superuser": (
        "users",
        "database.role",
        sql(
            "users",
            "ALTER ROLE users_app SUPERUSER",
            "ALTER ROLE users_app NOSUPERUSER",
        ),
    ),
    "role-may-create-tables": (
        "auth",
        "database.create",
        sql(
            "auth",
            "GRANT CREATE ON SCHEMA public TO auth_app",
            "REVOKE CREATE ON SCHEMA public FROM auth_app",
        ),
    ),
    "role-owns-a-table": (
        "auth",
        "database.owner",
        sql(
            "auth",
            "CREATE TABLE injected (); ALTER TABLE injected OWNER TO auth_app",
            "DROP TABLE injected",
        ),
    ),
    "statements-are-logged": (
        "auth",
        "database.logs",
        sql(
            "auth",
            "ALTER DATABASE auth SET log_statement = 'all'",
            "ALTER DATABASE auth RESET log_statement",
        ),
    ),
    "too-few-connections": (
        "auth",
        "database.pools",
        setting("auth", WEB_CONCURRENCY="60"),
    ),
    "migration-waits": ("auth", "database.migrations", waiting_migration),
    "expired-sessions-wait": (
        "auth",
        "sessions.expired",
        sql(
            "auth",
            EXPIRED_SESSION,
            "DELETE FROM tokens_session WHERE user_agent = 'doctor'",
        ),
    ),
    "expired-log-ins-wait": (
        "users",
        "admin.expired",
        sql(
            "users",
            EXPIRED_LOG_IN,
            "DELETE FROM django_session WHERE session_key = 'doctor'",
        ),
    ),
    "public-address": ("users", "listening.bind", public_address),
    "no-audience": ("users", "memo.E005", setting("users", JWT_AUDIENCE="")),
    "internal-route-open": (
        "gateway",
        "internal",
        location("/api/v1/users/verify", *TO_USERS),
    ),
    "x-real-ip-passed": (
        "gateway",
        "client_address",
        gateway(PROXY, "X-Real-IP $remote_addr", "X-Real-IP $http_x_real_ip"),
    ),
    "x-request-id-passed": (
        "gateway",
        "request_id",
        gateway(PROXY, "X-Request-ID $request_id", "X-Request-ID $http_x_request_id"),
    ),
    "x-forwarded-proto-passed": (
        "gateway",
        "forwarded_proto",
        gateway(PROXY, "$client_scheme", "$http_x_forwarded_proto"),
    ),
    "cookie-without-flags": (
        "gateway",
        "cookie",
        gateway(
            PROXY,
            "proxy_redirect off;",
            "proxy_redirect off; proxy_cookie_flags ~ nohttponly nosamesite;",
        ),
    ),
    "nosniff-missing": (
        "gateway",
        "headers",
        gateway(
            "includes/headers.conf", "X-Content-Type-Options nosniff", "X-Other no"
        ),
    ),
    "any-origin-may-read": (
        "gateway",
        "cors",
        gateway(
            API,
            "include includes/headers.conf;",
            "include includes/headers.conf;"
            " add_header Access-Control-Allow-Origin $http_origin always;",
        ),
    ),
    "any-host-is-answered": (
        "gateway",
        "hosts",
        gateway("gateway.conf", "return 421;", 'return 200 "";'),
    ),
    "errors-are-pages": (
        "gateway",
        "errors",
        gateway(
            "includes/problem.conf",
            "default_type application/problem+json;",
            "default_type text/html;",
        ),
    ),
    "schema-closed": (
        "gateway",
        "schema",
        location("/api/v1/auth/openapi.json", "return 404;"),
    ),
}
