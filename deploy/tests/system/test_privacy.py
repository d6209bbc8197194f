"""A user's data: nothing is left after an erasure, and an export has all of it."""

import secrets
import subprocess
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from deploy.local.servers import postgres
from deploy.tests.client import TestUser, assert_revoked, assert_valid, code_of
from deploy.tests.stack import SERVICES, System

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
# A row in each table that knows addresses, of those that this test does not fill by
# its requests.
ROWS = """
WITH link AS (
    INSERT INTO users_link (id, purpose, user_id, address, session_epoch, attempts,
        created_at, expires_at)
    VALUES (gen_random_uuid(), 'undo_email', %(id)s, %(old_address)s, 0, 0,
        now(), now() + interval '7 days')
    RETURNING id
), mail AS (
    INSERT INTO users_mail (kind, user_id, link_id, address, address_canonical, locale,
        context, message_id, created_at, last_error, failed_at)
    SELECT 'email_changed', %(id)s, id, %(old_address)s, %(old_address)s, 'en',
        jsonb_build_object('device', %(device)s::text), gen_random_uuid(), now(), '',
        now()
    FROM link
), change AS (
    INSERT INTO users_emailchange (user_id, email, created_at, expires_at)
    VALUES (%(id)s, %(new_address)s, now(), now() + interval '1 day')
), registration AS (
    INSERT INTO users_registration (id, email, email_canonical, username, first_name,
        last_name, display_name, avatar_url, locale, created_at)
    VALUES (gen_random_uuid(), %(email)s, %(email)s, %(attempt)s, '', '', '', '', 'en',
        now())
)
INSERT INTO users_request (kind, address, created_at)
VALUES ('reset', %(email)s, now())
"""


@pytest.fixture
def marked(system: System) -> tuple[TestUser, dict[str, str]]:
    """A user, and the values that are theirs alone. All begin alike."""
    mark = f"mk{secrets.token_hex(5)}"
    ada = TestUser(system, f"{mark}u")
    values = {
        "first_name": f"{mark}f",
        "last_name": f"{mark}l",
        "display_name": f"{mark}d",
        "avatar_url": f"https://example.org/{mark}a.png",
    }
    assert ada.register(**values).status_code == 201
    values |= {"email": ada.email, "username": ada.name, "agent": f"{mark}g/1.0"}
    values |= {"old_address": f"{mark}o@example.org", "device": f"{mark}v"}
    values |= {"new_address": f"{mark}n@example.org", "attempt": f"{mark}t"}
    values["log"] = f"{mark}r"
    return ada, values


def user_id(user: TestUser) -> str:
    sql = "SELECT id FROM users_user WHERE email_canonical = %s"
    return str(user.system.query("users", sql, user.email)[0][0])


def add_rows(system: System, identifier: str, values: dict[str, str]) -> None:
    password = system.secret("users_db_app_password")
    with system.connect("users", "users_app", password) as connection:
        connection.execute(ROWS, {**values, "id": identifier})
        connection.execute(
            """
            INSERT INTO django_admin_log (action_time, user_id, content_type_id,
                object_id, object_repr, action_flag, change_message)
            SELECT now(), %(id)s::uuid, id, %(id)s::text, %(log)s, 2, ''
            FROM django_content_type WHERE (app_label, model) = ('users', 'user')
            """,
            {**values, "id": identifier},
        )


def dump(system: System, service: str) -> str:
    """By pg_dump, as the owner of the database."""
    layout = system.layout
    words = ["-h", str(layout.sockets / f"{service}-db"), "-p", postgres.PORT]
    words += ["-U", f"{service}_owner", service]
    password = system.secret(f"{service}_db_owner_password")
    env = {**layout.base_env(), "PGPASSWORD": password}
    command = [str(layout.servers / "pg_dump"), *words]
    return subprocess.run(command, env=env, check=True, stdout=PIPE, text=True).stdout


def stored(system: System) -> str:
    """Dumps of both databases, and all of Redis."""
    texts = [dump(system, service) for service in SERVICES]
    client = system.redis()
    for key in client.scan_iter():
        is_set = client.type(key) == "set"
        texts.append(f"{key} {client.smembers(key) if is_set else client.get(key)}")
    return "\n".join(texts)


def sizes(system: System) -> dict[Path, int]:
    return {path: path.stat().st_size for path in (system.state / "log").iterdir()}


def written_since(before: dict[Path, int], system: System) -> str:
    """What the logs have more."""
    texts = []
    for path in sizes(system):
        with path.open("rb") as file:
            file.seek(before.get(path, 0))
            texts.append(file.read().decode(errors="replace"))
    return "".join(texts)


def test_an_erased_account_leaves_no_mark(system: System, marked: Any) -> None:
    """PRIV-02. Twelve values, after deleting, restoring and deleting again."""
    ada, values = marked
    assert len(values) == 12
    agent = {"User-Agent": values["agent"]}
    assert ada.log_in(headers=agent).ok
    assert ada.delete().status_code == 202
    assert_revoked(ada)
    assert code_of(ada.log_in()) == "invalid_credentials"
    assert ada.restore().status_code == 204
    assert_revoked(ada)
    assert ada.log_in(headers=agent).ok
    assert_valid(ada)
    other = ada.on_another_device()
    identifier = user_id(ada)
    add_rows(system, identifier, values)
    found = stored(system)
    assert [name for name, value in values.items() if value not in found] == []

    assert ada.delete().status_code == 202
    assert system.query("users", "SELECT 1 FROM users_user WHERE id = %s", identifier)
    before = sizes(system)
    assert ada.be_erased() == identifier
    for device in (ada, other):
        assert_revoked(device)
    found = stored(system) + written_since(before, system)
    assert [name for name, value in values.items() if value in found] == []
    assert identifier in found
    assert identifier in (system.state / "erasures" / "users.log").read_text()
    # The names are free again, for another account.
    again = TestUser(system, ada.name)
    assert again.register().status_code == 201
    assert user_id(again) != identifier
    assert again.log_in().ok
    assert again.delete().status_code == 202


def test_an_export_is_what_the_user_did_and_no_more(system: System) -> None:
    """PRIV-03. Of two users who did the same; of both services."""
    users = [TestUser(system) for _ in range(2)]
    for user in users:
        assert user.register().status_code == 201
        assert user.log_in(headers={"User-Agent": FIREFOX}).ok
        assert user.delete().status_code == 202
        assert user.restore().status_code == 204
        assert user.log_in(headers={"User-Agent": f"app/{user.name}"}).ok
    ada, bob = users
    answer = ada.export()
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.json()
    assert found["user"]["email"] == ada.email
    assert {each["purpose"] for each in found["links"]} >= {"restore"}
    assert {each["kind"] for each in found["mails"]} >= {"deletion", "restored"}
    named = ("user_agent", "device", "ip", "revoked_reason")
    assert [tuple(each[name] for name in named) for each in found["sessions"]] == [
        (FIREFOX, "Firefox on Linux", "127.0.0.0/24", "user_deleted"),
        (f"app/{ada.name}", "Unknown device", "127.0.0.0/24", ""),
    ]
    assert found["sessions"][1]["id"] == ada.sid
    assert {each["event"] for each in found["events"]} >= {
        *("user_created", "user_deleted", "user_restored", "authn_login_success"),
    }
    for theirs in (bob.name, bob.sid, ada.access, ada.cookie, user_id(bob)):
        assert theirs not in answer.text
    with system.stopped("auth"):
        assert code_of(ada.export()) == "dependency_unavailable"
