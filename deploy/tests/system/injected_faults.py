"""Faults for `doctor` to find, injected into the running stack. Each is a context that
removes it again; INJECTED_FAULTS says where it has to be found and by which id."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email.utils import formatdate
from pathlib import Path

from deploy.tests.stack import System, as_it_was, wait_until, with_lines
from nginx.tests.stub_service import Stub, StubHandler
from shared.keys import signing_keys

Fault = Callable[[System], AbstractContextManager[None]]


def by(inject: Callable[..., AbstractContextManager[None]], *words: str) -> Fault:
    return lambda system: inject(system, *words)


# ---- Files ---------------------------------------------------------------------------


def edited(
    system: System, name: str, old: str, new: str
) -> AbstractContextManager[None]:
    path = system.state / "gateway" / "conf" / name
    text = path.read_text()
    assert old in text, (name, old)
    return as_it_was(path, text.replace(old, new))


def gateway(file: str, old: str, new: str) -> Fault:
    return by(edited, file, old, new)


def location(path: str, body: str) -> Fault:
    """One more, before the first there is in the gateway's server."""
    first = "location /static/ {"
    text = f"location = {path} {{ {body} }}\n    {first}"
    return gateway("gateway.conf", first, text)


def setting(
    system: System, service: str, **values: str
) -> AbstractContextManager[None]:
    path = system.state / "env" / f"{service}.env"
    return as_it_was(path, with_lines(path.read_text(), values))


@contextmanager
def world_readable(system: System, pattern: str) -> Iterator[None]:
    (path,) = system.state.glob(pattern)
    before = path.stat().st_mode
    path.chmod(0o644)
    try:
        yield
    finally:
        path.chmod(before)


def wrong_api_key(system: System) -> AbstractContextManager[None]:
    path = system.state / "secrets" / "auth_users_service_api_key"
    return as_it_was(path, path.read_text().swapcase())


@contextmanager
def other_keys(system: System) -> Iterator[None]:
    """The Auth Service's settings name a folder that the running one does not serve,
    in which the private key can be read by others."""
    with tempfile.TemporaryDirectory() as folder:
        kid = signing_keys.generate(Path(folder), bits=2048)
        Path(folder, "private", f"{kid}.pem").chmod(0o444)
        folders = {
            f"JWT_{kind.upper()}_KEYS_DIR": f"{folder}/{kind}"
            for kind in ("private", "public")
        }
        with setting(system, "auth", **folders):
            yield


# ---- Stores --------------------------------------------------------------------------


@contextmanager
def redis_user(system: System, *words: str) -> Iterator[None]:
    with system.redis() as admin:
        admin.execute_command("ACL", "SETUSER", *words)
    try:
        yield
    finally:
        with system.redis() as admin:
            admin.execute_command("ACL", "LOAD")


@contextmanager
def sql(system: System, service: str, inject: str, undo: str) -> Iterator[None]:
    """As the administrator of the cluster: the user that runs the stack (`peer`)."""
    with system.connect(service, "memo_admin", "") as connection:
        connection.autocommit = True
        connection.execute(inject)
        try:
            yield
        finally:
            connection.execute(undo)


# ---- Servers -------------------------------------------------------------------------


@contextmanager
def stub_of_auth(system: System) -> Iterator[None]:
    """An Auth Service whose clock is an hour fast, and which publishes no key."""
    answers: dict[str, tuple[int, bytes]] = {
        "/api/v1/auth/health/live": (200, b'{"service": "auth"}'),
        "/api/v1/auth/verify_token": (401, b'{"code": "token_invalid"}'),
    }

    def answer(handler: StubHandler) -> None:
        handler.date_time_string = lambda timestamp=None: formatdate(  # type: ignore[method-assign]
            time.time() + 3600, usegmt=True
        )
        status, body = answers.get(handler.path, (200, b'{"keys": []}'))
        handler.reply(status, {"Content-Type": "application/json"}, body)

    with Stub("auth") as stub:
        stub.answer = answer
        with setting(system, "users", AUTH_SERVICE_URL=f"http://{stub.address}"):
            yield
        stub.shutdown()


def reload_gateway(master: int) -> None:
    """After all files have changed; until no worker of before takes connections."""
    before = set(children(master))
    os.kill(master, signal.SIGHUP)
    wait_until(lambda: not before & set(children(master)), 10, "new workers of Nginx")


def children(master: int) -> list[int]:
    path = Path(f"/proc/{master}/task/{master}/children")
    return [int(pid) for pid in path.read_text().split()]


# ---- All of them ---------------------------------------------------------------------

PROXY, API = "includes/proxy.conf", "includes/api.conf"
TO_USERS = f"include {PROXY}; include {API}; proxy_pass http://users;"
CLIENT_ADDRESS = ("X-Real-IP $remote_addr", "X-Real-IP $http_x_real_ip")
REQUEST_ID = ("X-Request-ID $request_id", "X-Request-ID $http_x_request_id")
CLIENT_SCHEME = ("$client_scheme", "$http_x_forwarded_proto")
HTML = ("default_type application/problem+json;", "default_type text/html;")
HEADERS = "include includes/headers.conf;"
ANY_ORIGIN = f"{HEADERS} add_header Access-Control-Allow-Origin $http_origin always;"
COOKIE_FLAGS = "proxy_redirect off; proxy_cookie_flags ~ nohttponly nosamesite;"
NO_SUPERUSER = "ALTER ROLE users_app NOSUPERUSER"
MAY_CREATE = "GRANT CREATE ON SCHEMA public TO auth_app"
MAY_NOT_CREATE = "REVOKE CREATE ON SCHEMA public FROM auth_app"
OWNED_TABLE = "CREATE TABLE injected (); ALTER TABLE injected OWNER TO auth_app"
LOGGED = "ALTER DATABASE auth SET log_statement = 'all'"
NOT_LOGGED = "ALTER DATABASE auth RESET log_statement"
SUPERUSER = "ALTER ROLE users_app SUPERUSER"
EXPIRED_SESSION = (
    "INSERT INTO tokens_session (id, user_id, user_epoch, jti, created_at,"
    " last_used_at, expires_at, absolute_expires_at, revoked_reason, user_agent)"
    " SELECT gen_random_uuid(), gen_random_uuid(), 0, gen_random_uuid(), t, t,"
    " t + interval '1 day', t + interval '2 days', '', 'doctor'"
    " FROM (SELECT now() - interval '9 days' AS t) AS times"
)
NO_SESSION = "DELETE FROM tokens_session WHERE user_agent = 'doctor'"
EXPIRED_ADMIN = (
    "INSERT INTO django_session VALUES ('doctor', '', now() - interval '9 days')"
)
NO_ADMIN = "DELETE FROM django_session WHERE session_key = 'doctor'"
# The last of the Auth Service's, as if it had never been applied.
UNAPPLIED = (
    "UPDATE django_migrations SET app = 'doctor' WHERE id ="
    " (SELECT max(id) FROM django_migrations WHERE app = 'tokens')"
)
APPLIED = "UPDATE django_migrations SET app = 'tokens' WHERE app = 'doctor'"

# Where it is found and by which id.
INJECTED_FAULTS: dict[tuple[str, str], Fault] = {
    ("auth", "apikeys.users"): wrong_api_key,
    ("users", "clock.auth"): stub_of_auth,
    ("users", "keys.published"): stub_of_auth,
    ("auth", "memo.E003"): other_keys,
    ("machine", "files"): by(world_readable, "secrets/keys/private/*.pem"),
    ("auth", "redis.policy"): by(
        System.redis_setting, "maxmemory-policy", "allkeys-lru"
    ),
    ("auth", "redis.persistence"): by(System.redis_setting, "save", "3600 1"),
    ("auth", "redis.limit"): by(System.redis_setting, "maxmemory", "0"),
    ("users", "redis.strangers"): by(redis_user, "default", "on", "nopass", "+@all"),
    ("auth", "redis.rights"): by(redis_user, "auth", "+config"),
    ("auth", "redis.commands"): by(redis_user, "auth", "+flushall"),
    ("users", "redis.sessions"): by(redis_user, "users", "~session:*"),
    ("users", "database.role"): by(sql, "users", SUPERUSER, NO_SUPERUSER),
    ("auth", "database.create"): by(sql, "auth", MAY_CREATE, MAY_NOT_CREATE),
    ("auth", "database.owner"): by(sql, "auth", OWNED_TABLE, "DROP TABLE injected"),
    ("auth", "database.logs"): by(sql, "auth", LOGGED, NOT_LOGGED),
    ("auth", "database.pools"): lambda it: setting(it, "auth", WEB_CONCURRENCY="60"),
    ("auth", "database.migrations"): by(sql, "auth", UNAPPLIED, APPLIED),
    ("auth", "sessions.expired"): by(sql, "auth", EXPIRED_SESSION, NO_SESSION),
    ("users", "admin.expired"): by(sql, "users", EXPIRED_ADMIN, NO_ADMIN),
    ("gateway", "internal"): location("/api/v1/users/verify", TO_USERS),
    ("gateway", "client_address"): gateway(PROXY, *CLIENT_ADDRESS),
    ("gateway", "request_id"): gateway(PROXY, *REQUEST_ID),
    ("gateway", "forwarded_proto"): gateway(PROXY, *CLIENT_SCHEME),
    ("gateway", "cookie"): gateway(PROXY, "proxy_redirect off;", COOKIE_FLAGS),
    ("gateway", "headers"): gateway("includes/headers.conf", "nosniff", "sniff"),
    ("gateway", "cors"): gateway(API, HEADERS, ANY_ORIGIN),
    ("gateway", "hosts"): gateway("gateway.conf", "return 421;", 'return 200 "";'),
    ("gateway", "errors"): gateway("includes/problem.conf", *HTML),
    ("gateway", "schema"): location("/api/v1/auth/openapi.json", "return 404;"),
}
