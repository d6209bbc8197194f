"""Events: what each deed leaves in the table, and that neither is without the other."""

import uuid
from contextlib import suppress
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from shared.db.rights import erase_events, limit_rights, purge_events
from shared.events.pages import PAGE
from tests.conftest import (
    CREDENTIALS,
    PASSWORD,
    log_in,
    log_out,
    refresh,
    refresh_token,
    signed_in,
)
from tokens import key_rotation
from tokens.events import CATALOGUE
from tokens.models import Event, EventPersonal, Session

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/sessions"
TABLES = ["tokens_event", "tokens_eventpersonal"]
PRIVILEGES = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"]


class World:
    """Two sessions of a user, and all who may end them."""

    def __init__(self, make_session, users, service_client):
        self.here, self.there = make_session(), make_session()
        self.users, self.client = users, signed_in(self.here, users)
        self.service = service_client("users")

    def log_in_again(self):
        log_in(cookie=refresh_token(self.here))

    def log_out_twice(self):
        for _ in range(2):
            log_out(refresh_token(self.here))

    def log_out_others_twice(self):
        for _ in range(2):
            self.client.post("/api/v1/auth/logout_all", {"keep_current": True})

    def replay(self):
        """A token that was superseded long ago."""
        refresh(refresh_token(self.here, uuid.uuid4()))

    def push(self):
        user_ids = [self.users.user["id"]]
        body = {"user_ids": user_ids, "epoch": 2, "reason": "password"}
        for _ in range(2):
            self.service.post(f"{URL}/revoke", body)

    def end_by_operator(self):
        user_id = self.users.user["id"]
        path = f"/api/v1/auth/users/{user_id}/sessions/{self.there.id}/revoke"
        self.service.post(path)

    def lose_the_user(self):
        self.users.gone = True
        refresh(refresh_token(self.here))

    def raise_the_epoch(self):
        self.users.user["session_epoch"] = 5
        refresh(refresh_token(self.here))

    def step_up(self):
        options = self.client.post("/api/v1/auth/step_up/options").json()
        for password in ("wrong", PASSWORD, PASSWORD):
            body = {"login": options["login"], "password": password}
            self.client.post("/api/v1/auth/step_up", body)

    def stage(self):
        return key_rotation.stage(2048)


def revoked(reason, actor="user", **more):
    return ("authn_token_revoked", actor, {"reason": reason, **more})


LOGIN = ("authn_login_success", "user", {"acr": "aal1"})
# What is done, and the events of it: name, actor and data.
DEEDS = {
    "login": (lambda w: log_in(), [LOGIN]),
    "wrong password": (lambda w: log_in(body=CREDENTIALS | {"password": "x"}), []),
    "login again": (lambda w: w.log_in_again(), [LOGIN, revoked("replaced")]),
    "refresh": (lambda w: refresh(refresh_token(w.here)), []),
    "logout": (
        lambda w: w.log_out_twice(),
        [revoked("logout"), ("session_logout", "user", {})],
    ),
    "reuse": (
        lambda w: w.replay(),
        [revoked("reuse"), ("authn_token_reuse", "user", {})],
    ),
    "logout everywhere": (
        lambda w: w.client.post("/api/v1/auth/logout_all", {"keep_current": False}),
        [
            revoked("logout_all", sessions=2),
            ("session_logout_all", "user", {"keep": False}),
        ],
    ),
    "logout of all others": (
        lambda w: w.log_out_others_twice(),
        [
            revoked("logout_all", sessions=1),
            ("session_logout_all", "user", {"keep": True}),
        ],
    ),
    "one session": (
        lambda w: w.client.delete(f"{URL}/{w.there.id}"),
        [revoked("session_ended")],
    ),
    "step-up": (
        lambda w: w.step_up(),
        [("authn_step_up", "user", {"acr": "aal1"})],
    ),
    "push": (lambda w: w.push(), [revoked("password", "service:users", sessions=2)]),
    "operator": (
        lambda w: w.end_by_operator(),
        [revoked("operator", "service:users")],
    ),
    "no such user": (lambda w: w.lose_the_user(), [revoked("user_gone")]),
    "an older epoch": (lambda w: w.raise_the_epoch(), [revoked("epoch")]),
    "command for one": (
        lambda w: call_command("revokesession", str(w.here.id)),
        [revoked("operator", "system")],
    ),
    "command for all": (
        lambda w: call_command("revokesessions", "--all", "--noinput"),
        [revoked("operator", "system", sessions=2)],
    ),
}
WITHOUT_ROW = {"wrong password", "refresh"}


@pytest.fixture
def world(make_session, users, service_client):
    return World(make_session, users, service_client)


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_leaves_its_events_once(world, users, audited, deed):
    """In the table, and in the log; what is repeated leaves none."""
    do, expected = DEEDS[deed]
    do(world)
    found = Event.objects.order_by("id")
    assert [(row.event, row.actor, row.data) for row in found] == expected
    lines = {line.event for line in audited()} & CATALOGUE.keys()
    assert lines == {row.event for row in found}
    for row in found:
        assert row.outcome == ("failure" if "reuse" in row.event else "success")
        assert str(row.user_id) == users.user["id"]


# What cannot be recorded does not happen


BEFORE = "TRIGGER refuse BEFORE INSERT ON tokens_event"
AT_COMMIT = "CONSTRAINT TRIGGER refuse AFTER INSERT ON tokens_event INITIALLY DEFERRED"


@pytest.fixture(params=[BEFORE])
def refusing(transactional_db, request):
    """No event can be written, or none be committed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no event'; END $$;"
            f"CREATE {request.param} FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION refuse CASCADE")


@pytest.mark.parametrize("deed", sorted(DEEDS.keys() - WITHOUT_ROW))
def test_what_cannot_be_recorded_does_not_happen(refusing, world, audited, deed):
    before = [*Session.objects.order_by("pk").values()]
    with suppress(DatabaseError):  # of a command, or of a client that raises it
        DEEDS[deed][0](world)
    assert [*Session.objects.order_by("pk").values()] == before
    assert not [line for line in audited() if line.event in CATALOGUE]


@pytest.fixture
def keys(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(key_rotation.time, "sleep", lambda seconds: None)
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"
    key_rotation.stage(2048)
    return lambda: sorted(str(path) for path in tmp_path.rglob("*.pem"))


def test_a_change_of_keys_is_an_event(keys, audited):
    (first,) = Event.objects.values_list("data", flat=True)
    key_rotation.stage(2048)
    kid = Event.objects.order_by("id").last().data["kid"]
    key_rotation.activate(kid, now=True)
    key_rotation.retire(first["kid"])
    key_rotation.revoke(kid)
    rows = Event.objects.order_by("id").values_list("event", "actor")
    names = ["key_staged", "key_staged", "key_activated", "key_retired", "key_revoked"]
    assert [*rows] == [(name, "system") for name in names]
    assert [line.event for line in audited()] == names[1:]  # the first is the setup's


def test_keys_that_cannot_be_recorded_stay_as_they_are(keys, refusing):
    before = keys()
    kid = key_rotation.list_keys().split()[0]
    for change in (lambda: key_rotation.stage(2048), lambda: key_rotation.revoke(kid)):
        with pytest.raises(DatabaseError):
            change()
        assert set(keys()) >= set(before)


@pytest.mark.parametrize("refusing", [AT_COMMIT], indirect=True)
def test_a_key_that_is_gone_is_in_the_log_though_the_commit_fails(
    keys, refusing, audited
):
    kid = key_rotation.list_keys().split()[0]
    with pytest.raises(DatabaseError):
        key_rotation.revoke(kid)
    assert not [path for path in keys() if kid in path]
    assert [(line.event, line.kid) for line in audited()] == [("key_revoked", kid)]


# Who may do what to events


@pytest.mark.parametrize("table", TABLES)
def test_migrate_takes_every_right_to_change_events(table):
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT ALL ON {table} TO auth_app, PUBLIC")
        limit_rights(apps.get_app_config("tokens"), "default")
        cursor.execute(
            "SELECT privilege FROM unnest(%s::text[]) AS privilege"
            " WHERE has_table_privilege('auth_app', %s, privilege)",
            [PRIVILEGES, table],
        )
        assert [row[0] for row in cursor.fetchall()] == ["SELECT", "INSERT"]


def event(user_id, days=0.0, name="session_logout"):
    at = timezone.now() - timedelta(days=days)
    row = Event.objects.create(at=at, event=name, user_id=user_id, actor="user")
    EventPersonal.objects.create(event=row, at=at, network="192.0.2.0/24")
    return row


def test_old_events_go_and_what_is_personal_can_be_erased():
    ada = uuid.uuid4()
    for days in (401, 91, 89, 0):
        event(ada, days)
    assert purge_events() == 2
    assert (Event.objects.count(), EventPersonal.objects.count()) == (3, 2)
    assert (erase_events(uuid.uuid4()), erase_events(ada)) == (0, 2)
    assert (Event.objects.count(), EventPersonal.objects.count()) == (3, 0)


# What the User Service asks for


def test_the_events_of_a_user_come_in_pages(service_client):
    """Each once, the newest first, also those of one moment."""
    ada, client = uuid.uuid4(), service_client("users")
    for number in range(PAGE + 5):
        event(ada, days=number)
    moment = Event.objects.order_by("-at")[PAGE].at
    oldest_of_page = Event.objects.order_by("-at")[PAGE - 1]
    Event.objects.filter(pk=oldest_of_page.pk).update(at=moment)
    event(uuid.uuid4())
    url, found, before = f"/api/v1/auth/users/{ada}/events", [], ""
    sizes = []
    while before is not None:
        query = {"before": before} if before else {}
        answer = client.get(url, query).json()
        found += answer["events"]
        sizes.append(len(answer["events"]))
        before = answer["next"]
    assert sizes == [PAGE - 1, 6]
    times = [each["at"] for each in found]
    assert times == sorted(times, reverse=True)
    one = {"event": "nothing"}
    assert client.get(url, one).json() == {"events": [], "next": None}


def test_the_command_lists_them(users, trusted_kid, capsys):
    log_in(**{"X-Real-IP": "192.0.2.7"})
    event(uuid.uuid4())
    call_command("listevents", users.user["email"])
    (line,) = capsys.readouterr().out.splitlines()
    assert "authn_login_success" in line
    assert "192.0.2.0/24" in line
    call_command("listevents", "--event", "session_logout", "--json")
    assert '"session_logout"' in capsys.readouterr().out
    call_command("listevents", "--since", "2999-01-01")
    assert capsys.readouterr().out == ""
