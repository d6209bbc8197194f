"""Fourteen days after a deletion nothing that is personal is left of an account."""

import threading
from contextlib import suppress
from datetime import timedelta
from functools import partial
from importlib import import_module

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from shared import erasures as erasures_file
from shared.api.exceptions import DependencyUnavailable, LinkInvalid
from tests.admin_pages import LIST, act, ask, browser_of, change_url
from tests.factories import UserFactory
from tests.refusals import assert_refused
from users import tasks, validators
from users.accounts import deletion, erasure, links
from users.accounts.models import (
    AddressRequest,
    EmailChange,
    Link,
    Purpose,
    Registration,
)
from users.mail.models import Mail
from users.models import User

DAY = timedelta(days=1)
MARKS = {
    "email": "Mark-1@mark-2.example",
    "username": "mark-3",
    "first_name": "mark-4",
    "last_name": "mark-5",
    "display_name": "mark-6",
    "avatar_url": "https://mark-7.example/",
}


@pytest.fixture(autouse=True)
def _file(erasures):
    """Where the tests write erasures."""


def due_user(**fields):
    """A deleted user whose time has come."""
    now = timezone.now()
    times = {"deleted_at": now - 14 * DAY, "delete_after": now - timedelta(seconds=1)}
    return UserFactory(**{**times, **fields})


@pytest.fixture
def ada():
    """With something in every table that knows users."""
    user = due_user(
        **MARKS,
        locale="de",
        is_staff=True,
        is_superuser=True,
        roles=["editor"],
        email_verified_at=timezone.now(),
        last_login=timezone.now(),
        kept_sid="2f1c3b0e-6d52-4b5e-9d7a-0a4d3a1b2c3d",
        kept_from=1,
    )
    user.user_permissions.add(Permission.objects.first())
    fill(user, "mark-8")
    return user


def fill(user, mark):
    """Rows about a user in all other tables."""
    address, now = user.email_canonical, timezone.now()
    link = links.issue(Purpose.RESTORE, address=address, user=user)
    Mail.objects.create(kind="deletion", address=address, user=user, link=link)
    old = f"{mark}@old.example"  # an address that the user had
    Mail.objects.create(kind="email_changed", address=old, user=user)
    EmailChange.objects.create(user=user, email=old, created_at=now, expires_at=now)
    attempt = Registration.objects.create(email=user.email, username=mark)
    links.issue(Purpose.REGISTER, address=address, registration=attempt)
    Mail.objects.create(kind="register", address=user.email, registration=attempt)
    Mail.objects.create(kind="already_registered", address=user.email)
    AddressRequest.objects.create(kind="reset", address=user.email)
    users = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(
        user=user, content_type=users, object_id=str(user.pk),
        object_repr=str(user), action_flag=CHANGE,
    )  # fmt: skip


def everything():
    """The text of every row of every table but the queue's, which has ids."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def counts():
    models = (Link, Mail, EmailChange, Registration, AddressRequest, LogEntry, Session)
    return [model.objects.count() for model in models]


def test_nothing_that_is_personal_is_left(ada, jobs, audits, erasures):
    """PRIV-02. Of another user all is left. The id stays, so that logs name no one."""
    browser_of(ada)
    bob = UserFactory(email="bob@example.org")
    fill(bob, "bob")
    browser_of(bob)
    before = everything()
    for mark in range(1, 9):
        assert f"mark-{mark}" in before.lower()
    assert erasure.erase_due() == 1
    assert "mark-" not in everything().lower()
    assert counts() == [2, 4, 1, 1, 1, 2, 1]
    row = User.objects.values().get(pk=ada.pk)
    kept = ("id", "created_at", "deleted_at", "session_epoch", "password_epoch")
    kept = (*kept, "locale", "erased_at", "updated_at")
    left = {name: value for name, value in row.items() if name not in kept}
    named = [left.pop(name) for name in ("email", "username")]
    assert [left.pop(f"{name}_canonical") for name in ("email", "username")] == named
    assert named[0] == f"{named[1]}@erased"
    assert left.pop("password").startswith("!")
    assert not any(left.values()), left
    assert row["locale"] == "en"
    assert abs(row["erased_at"] - timezone.now()) < timedelta(minutes=1)
    user = User.objects.get(pk=ada.pk)
    assert (user.groups.count(), user.user_permissions.count()) == (0, 0)
    entry = LogEntry.objects.get(user=ada)
    assert entry.object_repr == str(ada.pk)
    assert jobs("erase_in_auth") == [{"user_id": str(ada.pk)}]
    assert erasures_file.read(str(erasures)) == [ada.pk]
    assert erasures.stat().st_mode & 0o777 == 0o600
    assert audits("event", "user_id")[-1] == ("user_erased", str(ada.pk))
    assert erasure.erase_due() == 0
    assert User.objects.get(pk=bob.pk).email == "bob@example.org"


def test_only_whose_time_has_come_is_erased():
    """By the task that the worker runs every ten minutes."""
    due = due_user()
    waiting = UserFactory(deleted_at=timezone.now())
    present = UserFactory()
    tasks.erase_users(0)
    assert [*User.objects.filter(erased_at=None)] == [present, waiting]
    assert User.objects.get(pk=due.pk).is_erased


def test_any_number_is_erased_in_batches(monkeypatch):
    monkeypatch.setattr(erasure, "BATCH", 2)
    users = [due_user() for _ in range(5)]
    assert erasure.erase_due() == 5
    found = User.objects.filter(pk__in=[user.pk for user in users])
    assert found.filter(erased_at=None).count() == 0
    assert len({*found.values_list("username", flat=True)}) == 5


def test_the_names_of_erased_users_belong_to_no_one(guess, ada):
    """They cannot be registered, and whoever reads one cannot log in with it. The old
    ones are free."""
    erasure.erase_due()
    user = User.objects.get(pk=ada.pk)
    for check, name in (
        (validators.validate_not_an_id, user.username),
        (validators.validate_email, user.email),
    ):
        with pytest.raises(ValidationError):
            check(name)
    for login in (user.email, user.username, MARKS["email"]):
        assert guess(login=login).status_code == 401
    UserFactory(email=MARKS["email"], username=MARKS["username"])


# What is written outside the database


def test_an_erasure_that_cannot_be_written_is_not_done(ada, settings, erasures, jobs):
    """PRIV-05. Before the commit, and on the disk."""
    settings.ERASURES_FILE = erasures / "of" / "another" / "disk"
    before = everything()
    with pytest.raises(OSError, match="No such file"):
        erasure.erase_due()
    assert everything() == before
    settings.ERASURES_FILE = erasures
    assert erasure.erase_due() == 1


def test_the_line_is_on_the_disk_before_the_commit(ada, monkeypatch, erasures):
    order = []
    synced = erasures_file.os.fsync
    monkeypatch.setattr(
        erasures_file.os, "fsync", lambda fd: (order.append("disk"), synced(fd))
    )
    with connection.execute_wrapper(
        lambda execute, sql, *rest: (
            order.append("commit") if "RELEASE SAVEPOINT" in sql else None,
            execute(sql, *rest),
        )[1]
    ):
        erasure.erase_due()
    assert order.index("disk") < len(order) - 1 - order[::-1].index("commit")
    assert order[:1] == ["disk"]


def test_a_restored_database_forgets_the_same_users(ada, jobs, tmp_path, capsys):
    """PRIV-05. Also those who were not deleted yet in it. Whoever waits for an erasure
    may have been restored since: they wait for fourteen days again."""
    bob = UserFactory(email="bob@mark-9.example")
    carol = UserFactory(deleted_at=timezone.now())
    file = tmp_path / "file"
    unknown = UserFactory.build()
    ids = [bob.pk, unknown.pk, ada.pk, bob.pk]
    file.write_text("".join(f"{each} 2026-01-31T12:00:00+00:00\n" for each in ids))
    call_command("eraseusers", str(file))
    words = "Erased 2 users; 1 deleted users wait again.\n"
    assert capsys.readouterr().out == words
    assert "mark-" not in everything().lower()
    row = User.objects.get(pk=carol.pk)
    assert row.delete_after - timezone.now() > 13.9 * DAY
    assert User.objects.get(pk=bob.pk).is_deleted
    assert len(jobs("erase_in_auth")) == 2
    assert not erasures_file.Path(str(file) + ".new").exists()
    call_command("eraseusers", str(file))
    assert capsys.readouterr().out.startswith("Erased 0 users")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("eraseusers", str(tmp_path / "unknown"))


# Erased users stay so


def test_nobody_restores_an_erased_user(ada, admin, pushes, restore_token, api_client):
    """PRIV-02. Not by the link, not by a command, not in the admin, which shows that
    there is nothing left to change."""
    token = restore_token(ada)
    erasure.erase_due()
    answer = api_client.post("/api/v1/users/restore", {"token": token})
    assert_refused(answer, 400, "link_invalid")
    for command in ("restoreuser", "activateuser", "changepassword"):
        with pytest.raises(CommandError, match=f"{ada.pk} is erased"):
            call_command(command, str(ada.pk))
    user = User.objects.get(pk=ada.pk)
    page = admin.get(change_url(user)).content.decode()
    assert "This user is erased" in page
    assert 'name="_save"' not in page
    assert 'name="action"' not in page
    for action in ("restore", "activate"):
        assert "Left out: 1 not yours to change" in (
            ask(admin, action, user).content.decode()
        )
        act(admin, action, user)
    row = User.objects.get(pk=ada.pk)
    assert (row.is_deleted, row.is_active) == (True, False)
    assert row.erased_at == user.erased_at
    assert '<td class="field-status">erased</td>' in admin.get(LIST).content.decode()


@pytest.mark.parametrize("door", ["command", "admin", "service"])
def test_when_the_time_has_come_no_one_restores(door, admin, pushes):
    """The file may name them by now."""
    user = due_user()
    if door == "command":
        with pytest.raises(CommandError, match="waits for being erased"):
            call_command("restoreuser", str(user.pk))
    elif door == "admin":
        act(admin, "restore", user)
    else:
        assert not deletion.restore(user)
    assert User.objects.get(pk=user.pk).is_deleted


# Races


@pytest.fixture
def hurried():
    """A user who waits, and the token of their link."""
    user = UserFactory(deleted_at=timezone.now())
    link = links.issue(Purpose.RESTORE, address=user.email, user=user)
    return user, links.token_of(link)


def come(user):
    User.objects.filter(pk=user.pk).update(delete_after=timezone.now())


@pytest.mark.parametrize("first", ["restore", "erase"])
def test_of_restoring_and_erasing_one_wins(
    hurried, first, at_once, monkeypatch, erasures
):
    """PRIV-02. The one that has the row; the other finds what that has left."""
    user, token = hurried
    has_row, goes_on = threading.Event(), threading.Event()

    def pause(original):
        def paused(*args, **kwargs):
            has_row.set()
            goes_on.wait(1)
            return original(*args, **kwargs)

        return paused

    if first == "restore":
        module, name = deletion, "bring_back"
    else:
        module, name = erasure, "forget"
        come(user)
    monkeypatch.setattr(module, name, pause(getattr(module, name)))

    def restore():
        if first == "erase":
            # As if it had used the link in the last moment.
            has_row.wait(5)
        try:
            deletion.restore_by_link(token)
        except LinkInvalid:
            return False
        finally:
            goes_on.set()
        return True

    def erase():
        if first == "restore":
            has_row.wait(5)
            later = timezone.now() + timedelta(hours=1)
            which = erasure.Q(delete_after__lte=later + 14 * DAY)
            erased = erasure.erase_batch(which)
            goes_on.set()
            return erased == 1
        return erasure.erase_due() == 1

    restored, erased = at_once(restore, erase)
    assert (restored, erased) == ((first == "restore"), (first == "erase"))
    row = User.objects.get(pk=user.pk)
    assert (row.is_deleted, row.is_erased) == (erased, erased)
    assert Mail.objects.filter(kind="restored").count() == restored
    assert erasures_file.read(str(erasures)) if erased else not erasures.exists()


def test_restoring_and_erasing_at_once_are_never_half_done(at_once, erasures):
    """By chance: the time comes while twelve links are used. No deadlock either."""
    users = [UserFactory(deleted_at=timezone.now()) for _ in range(12)]
    tokens = [
        links.token_of(links.issue(Purpose.RESTORE, address=user.email, user=user))
        for user in users
    ]
    soon = timezone.now() + timedelta(milliseconds=60)
    User.objects.filter(pk__in=[user.pk for user in users]).update(delete_after=soon)

    def restore(token):
        with suppress(LinkInvalid):
            deletion.restore_by_link(token)

    def erase():
        while timezone.now() < soon + timedelta(milliseconds=200):
            erasure.erase_due()

    at_once(*(partial(restore, token) for token in tokens), erase, erase)
    erasure.erase_due()
    rows = User.objects.filter(pk__in=[user.pk for user in users])
    written = set(erasures_file.read(str(erasures))) if erasures.exists() else set()
    erased = {row.pk for row in rows if row.is_erased}
    assert erased == written
    for row in rows:
        assert row.is_deleted == row.is_erased == row.email.endswith("@erased")
    restored = Mail.objects.filter(kind="restored").values_list("user", flat=True)
    assert {*restored} == {user.pk for user in users} - erased


# The Auth Service


def test_the_auth_service_is_asked_until_it_answers(ada, auth_service, run_jobs):
    """PRIV-02. Soon after the first failure, then later and later, without an end."""
    path = f"users/{ada.pk}/erase"
    auth_service.answer("POST", path, {"code": "dependency_unavailable"}, status=503)
    erasure.erase_due()
    jobs = ProcrastinateJob.objects.filter(task_name="erase_in_auth")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = 1000")
        assert [type(exc) for exc in run_jobs()] == [DependencyUnavailable]
        job = jobs.get()
        assert (job.status, job.attempts) == ("todo", 1001)
        assert job.scheduled_at > timezone.now()
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL")
    auth_service.answer("POST", path, {"erased": 0})
    assert run_jobs() == []
    assert not jobs.exists()
    assert len(auth_service.calls) == 2


def test_users_of_an_earlier_version_wait_from_the_upgrade_on():
    old, present = UserFactory(deleted_at="2020-01-31T12:00:00Z"), UserFactory()
    User.objects.update(delete_after=None)
    with connection.cursor() as cursor:
        cursor.execute(import_module("users.migrations.0009_erasure").WAIT)
    old.refresh_from_db()
    assert old.delete_after - timezone.now() > 13.9 * DAY
    assert User.objects.get(pk=present.pk).delete_after is None


def test_a_cut_line_is_no_erasure_and_spoils_no_other(erasures):
    first, cut, last = (UserFactory.build().pk for _ in range(3))
    erasures_file.append(erasures, [first])
    erasures.write_text(erasures.read_text() + f"{cut} 2026-0")
    erasures_file.append(erasures, [last])
    assert erasures_file.read(str(erasures)) == [first, last]


def test_a_client_cannot_see_the_difference(ada, api_client):
    """A used link and one of an erased user."""
    token = links.token_of(Link.objects.filter(user=ada).latest("created_at"))
    erasure.erase_due()
    answers = [
        APIClient().post("/api/v1/users/restore", {"token": each}).json()
        for each in (token, "x" * 64)
    ]
    for answer in answers:
        del answer["request_id"]
    assert answers[0] == answers[1]
