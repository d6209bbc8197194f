"""Events: what each deed leaves in the table, and that neither is without the other."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from shared.events.models import LINE_ALONE
from shared.limits.lockouts import reset
from shared.limits.ratelimit import Hits, RateLimitPolicy
from tests.admin_pages import (
    ADD,
    NEW_PASSWORD,
    act,
    change_url,
    fields,
    new_password,
    password_url,
    url,
)
from tests.factories import EPOCH, NEW, PASSWORD, WRONG, UserFactory
from users.admin.versions import version_of
from users.events.catalogue import CATALOGUE
from users.events.log import record
from users.factors import recovery_codes
from users.factors.verification import FactorProof, verify
from users.limits.guess_limits import Client
from users.limits.lockouts import names_of, reset_lockouts
from users.mail.delivery import fail
from users.models import Event, Mail, Role, User

ME = "/api/v1/users/me"
NEW_USER = {"username": "bob", "email": "bob@example.org", "password": PASSWORD}
CHANGE = {"current_password": PASSWORD, "new_password": NEW}
MISTAKE = {"current_password": WRONG, "new_password": NEW}
HERE = {"X-Real-IP": "192.0.2.7", "User-Agent": "Firefox"}
RIGHTS = "privilege_permissions_changed"


class World:
    """Ada, a member of staff who has left, their role, and all who may do something."""

    def __init__(self, admin, auth, api_client, bearer, guess):
        self.admin, self.auth, self.stranger = admin, auth, api_client
        self.guess, self.ada = guess, UserFactory(email="ada@example.org")
        self.left = UserFactory(is_staff=True, is_active=False, roles=["clerk"])
        self.role = Role.objects.get()
        self.me = bearer(sub=str(self.ada.pk))

    def save(self, user, **changed):
        self.admin.post(change_url(user), fields(user, **changed))

    def give_all(self):
        right = Permission.objects.get(codename="view_user")
        flags = {"is_staff": "on", "is_superuser": "on", "is_active": None}
        rights = {"groups": [self.role.pk], "user_permissions": [right.pk]}
        self.save(self.ada, email="b@example.org", **flags, **rights)

    def save_role(self, name):
        body = {"name": name, "version": version_of(self.role)}
        self.admin.post(url("users_role_change", self.role.pk), body)

    def delete_role(self):
        self.admin.post(url("users_role_delete", self.role.pk), {"post": "yes"})

    def save_nothing_new(self):
        self.save(self.left, groups=[self.role.pk])
        self.save_role("clerk")

    def set_password(self):
        self.admin.post(password_url(self.ada), new_password(self.ada))

    def log_in_to_admin(self):
        User.objects.filter(pk=self.ada.pk).update(is_staff=True)
        body = {"username": self.ada.email, "password": PASSWORD}
        self.stranger.post("/admin/login/", body, format="multipart")


def ended(reason, by="operator"):
    return ("sessions_ended", by, {"epoch": EPOCH + 1, "reason": reason})


def rights(*fields, added=(), removed=()):
    changed = {"fields": [*fields], "added": [*added], "removed": [*removed]}
    return (RIGHTS, "operator", changed)


# Of the one who acts, what is done, and the events of it: name, actor and data.
DEEDS = {
    "registration": (
        lambda w: w.stranger.post("/api/v1/users", NEW_USER, headers=HERE),
        [("user_created", "user", {})],
    ),
    "a right password": (lambda w: w.guess(PASSWORD), []),
    "a wrong password": (
        lambda w: w.guess(),
        [("authn_login_fail", "user", {"site": "api"})],
    ),
    "an unknown name": (lambda w: w.guess(login="unknown@example.org"), []),
    "a profile": (
        lambda w: w.me.patch(ME, {"display_name": "Ada"}, headers=HERE),
        [("user_updated", "user", {"fields": ["display_name"]})],
    ),
    "nothing new": (lambda w: w.me.patch(ME, {}), []),
    "a change of password": (
        lambda w: w.me.post(f"{ME}/change_password", CHANGE, headers=HERE),
        [ended("password_changed", "user"), ("authn_password_change", "user", {})],
    ),
    "a wrong current password": (
        lambda w: w.me.post(f"{ME}/change_password", MISTAKE),
        [("authn_password_change_fail", "user", {})],
    ),
    "logout everywhere": (
        lambda w: w.auth.post(f"/api/v1/users/{w.ada.pk}/end_sessions", {}),
        [("sessions_ended", "service:auth", {"epoch": EPOCH + 1})],
    ),
    "an account by an operator": (
        lambda w: w.admin.post(ADD, NEW_USER | NEW_PASSWORD),
        [("user_created", "operator", {})],
    ),
    "a save of all": (
        lambda w: w.give_all(),
        [
            ended("user_deactivated"),
            rights("is_staff", "is_superuser", added=["is_staff", "is_superuser"]),
            ("user_updated", "operator", {"fields": ["email"]}),
            ("user_deactivate", "operator", {}),
            rights("groups", "user_permissions", added=["clerk", "users.view_user"]),
        ],
    ),
    "what is taken": (
        lambda w: w.save(w.left, is_staff=None, is_active="on"),
        [
            rights("is_staff", removed=["is_staff"]),
            ("user_activate", "operator", {}),
            rights("groups", removed=["clerk"]),
        ],
    ),
    "nothing new by an operator": (lambda w: w.save_nothing_new(), []),
    "a renamed role": (
        lambda w: w.save_role("judge"),
        [(RIGHTS, "operator", {"role": "judge", "what": "changed"})],
    ),
    "a deleted role": (
        lambda w: w.delete_role(),
        [(RIGHTS, "operator", {"role": "clerk", "what": "deleted"})],
    ),
    "a password by an operator": (
        lambda w: w.set_password(),
        [
            ended("password_changed"),
            ("authn_password_change", "operator", {"site": "admin"}),
        ],
    ),
    "an action on many": (
        lambda w: act(w.admin, "deactivate", w.ada),
        [("user_deactivate", *ended("user_deactivated")[1:])],
    ),
    "lifted locks": (
        lambda w: w.admin.post(url("users_user_locks", w.ada.pk), {"lift": "yes"}),
        [("authn_login_unlock", "operator", {}), ("user_lift_lock", "operator", {})],
    ),
    "a login to the admin": (
        lambda w: w.log_in_to_admin(),
        [("authn_login_success", "user", {"site": "admin"})],
    ),
    "a command": (
        lambda w: call_command("deleteuser", w.ada.email),
        [ended("user_deleted", "system"), ("user_soft_delete", "system", {})],
    ),
    "epochs after a restore": (
        lambda w: call_command("raiseepochs", above=3),
        [("sessions_ended", "system", {"users": 3, "above": 3, "reason": "restored"})],
    ),
}


@pytest.fixture
def world(admin, auth, api_client, bearer, guess):
    return World(admin, auth, api_client, bearer, guess)


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_leaves_its_events_once(world, pushes, on_commit, audits, root, deed):
    """In the table, and the same in the log."""
    do, expected = DEEDS[deed]
    with on_commit():
        do(world)
    found = Event.objects.order_by("id")
    actors = {"operator": f"operator:{root.pk}"}
    assert [(row.event, row.actor, row.data) for row in found] == [
        (event, actors.get(actor, actor), data) for event, actor, data in expected
    ]
    lines = sorted(event for (event,) in audits("event") if event in CATALOGUE)
    if deed != "an unknown name":
        assert lines == sorted(row.event for row in found)
    for row in found:
        assert row.outcome == ("failure" if "fail" in row.event else "success")


def test_a_limit_that_is_reached_is_named_once(world, limited):
    """What is refused after that leaves no event."""
    limited(LOGIN_LIMIT_NAME="2/minute")
    for _ in range(4):
        world.guess()
    rows = Event.objects.order_by("id").values_list("data__reached", flat=True)
    assert [*rows] == [None, ["LOGIN_LIMIT_NAME"]]


def test_where_a_user_was_is_a_network_and_a_browser(world):
    """Also where the Auth Service passes it on; a service itself is nowhere."""
    world.guess(address="192.0.2.7")
    world.me.patch(ME, {"display_name": "A"}, headers={"X-Real-IP": "2001:db8:1:2::3"})
    world.auth.post(f"/api/v1/users/{world.ada.pk}/end_sessions", {})
    call_command("activateuser", world.left.email)
    places = Event.objects.order_by("id").values_list(
        "personal__network", "personal__user_agent"
    )
    assert [*places] == [
        ("192.0.2.0/24", "Firefox"),
        ("2001:db8:1::/48", ""),
        (None, None),
        (None, None),
    ]


@pytest.fixture
def refusing(transactional_db):
    """No event can be written."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no event'; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON users_event"
            " EXECUTE FUNCTION refuse()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION refuse CASCADE")


def state():
    names = [field.attname for field in User._meta.concrete_fields]
    users = User.objects.order_by("pk").values_list(*names, "groups__name")
    return [*users], [*Role.objects.values_list("name", flat=True)]


# `last_login` is written before; whether a login is answered is asked.
RECORDED = [deed for deed, (_, events) in DEEDS.items() if events]
RECORDED.remove("a login to the admin")


@pytest.mark.parametrize("deed", RECORDED)
def test_what_cannot_be_recorded_does_not_happen(refusing, world, pushes, deed):
    before = state()
    with pytest.raises(DatabaseError):
        DEEDS[deed][0](world)
    assert state() == before
    assert pushes == []


def test_locks_whose_end_cannot_be_recorded_stay(refusing):
    user = UserFactory()
    with Hits() as hits:
        hits.require(RateLimitPolicy("LOGIN_LIMIT_ACCOUNT", str(user.pk)))
        hits.keep()
    with pytest.raises(DatabaseError):
        reset_lockouts(user.username, names_of(user), by="admin", user=user)
    assert reset(names_of(user)) > 0


def test_a_recovery_code_whose_use_cannot_be_recorded_is_not_used(refusing):
    user = UserFactory()
    code, *_ = recovery_codes.replace(user.pk)
    proof, client = FactorProof(recovery_code=code), Client("192.0.2.7")
    with pytest.raises(DatabaseError):
        verify(user, proof, client, user.session_epoch)
    assert recovery_codes.left(user.pk) == 10


def test_a_mail_whose_failure_cannot_be_recorded_has_not_failed(refusing):
    user = UserFactory()
    columns = {"kind": "reset", "address": user.email, "locale": "en"}
    mail = Mail.objects.create(user=user, **columns)
    with pytest.raises(DatabaseError):
        fail(mail, "SMTPRecipientsRefused")
    assert Mail.objects.get().failed_at is None


def test_a_login_that_cannot_be_recorded_is_none(refusing, world):
    with pytest.raises(DatabaseError):
        world.log_in_to_admin()
    assert "memo_admin_session" not in world.stranger.cookies


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ("never_heard_of", {}),
        ("user_updated", {"email": "ada@example.org"}),
        ("user_created", {"username": "ada"}),
    ],
)
def test_what_the_catalogue_does_not_have_is_refused(event, fields):
    """So no name, address or old value gets into the table by accident."""
    with pytest.raises(ValueError, match="is not in the catalogue"):
        record(event, uuid.uuid4(), **fields)
    assert not Event.objects.exists()


def test_no_key_of_the_catalogue_is_personal():
    keys = {key for keys in CATALOGUE.values() for key in keys}
    personal = {*(f.name for f in User._meta.fields), *LINE_ALONE} - {"id"}
    assert not keys & personal


def test_the_last_login_is_written_once_an_hour(world, guess):
    hour = timedelta(hours=1)
    for age, moves in ((None, True), (2 * hour, True), (hour / 2, False)):
        User.objects.update(last_login=age and timezone.now() - age)
        before = User.objects.get(pk=world.ada.pk)
        assert guess(PASSWORD).status_code == 200
        after = User.objects.get(pk=world.ada.pk)
        assert (after.last_login != before.last_login) == moves
        assert after.updated_at == before.updated_at
    guess(WRONG)
    seen = world.me.get(ME).json()["last_login_at"]
    assert seen == after.last_login.isoformat().replace("+00:00", "Z")
