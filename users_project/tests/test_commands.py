"""What operators do to users by commands. Those of the admin: test_bulk.py."""

import getpass
import io
import time

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from tests.factories import EPOCH, NEW, PASSWORD, UserFactory
from users.events.log import record
from users.management import base
from users.management.commands import raiseepochs
from users.models import EmailChange, Event, User

# The user before; active and deleted afterwards, how often the sessions have ended.
ACTS = {
    "deactivateuser": ({}, (False, False), 1),
    "activateuser": ({"is_active": False}, (True, False), 0),
    "deleteuser": ({}, (True, True), 1),
    "restoreuser": ({"deleted_at": "2026-01-31T12Z"}, (True, False), 0),
    "endsessions": ({}, (True, False), 1),
}


@pytest.mark.parametrize("command", ACTS)
def test_an_act_changes_the_user_and_ends_the_sessions(
    on_commit, pushes, capsys, command
):
    before, after, epoch = ACTS[command]
    user, another = (UserFactory(**before) for _ in range(2))
    with on_commit():
        call_command(command, user.email)
    user.refresh_from_db()
    assert (user.is_active, user.is_deleted) == after
    assert user.session_epoch == EPOCH + epoch
    assert not LogEntry.objects.exists()
    assert len(pushes) == epoch
    assert f"{user.email} is " in capsys.readouterr().out
    assert User.objects.get(pk=another.pk).updated_at == another.updated_at


@pytest.mark.parametrize(
    ("command", "before", "state"),
    [
        ("deactivateuser", {"is_active": False}, "is inactive already"),
        ("activateuser", {}, "is active already"),
        ("deleteuser", {"deleted_at": "2026-01-31T12Z"}, "is deleted already"),
        ("restoreuser", {}, "is not deleted"),
    ],
)
def test_an_act_that_changes_nothing_is_an_error_without_an_event(
    audits, command, before, state
):
    user = UserFactory(**before)
    with pytest.raises(CommandError, match=f"^{user.email} {state}.$"):
        call_command(command, user.email)
    assert not Event.objects.exists()
    assert not audits()


def test_of_two_equal_acts_at_once_one_changes_nothing(at_once, pushes, monkeypatch):
    user = UserFactory()

    def slowly(*args, **fields):
        record(*args, **fields)
        time.sleep(0.3)

    def deactivate():
        try:
            call_command("deactivateuser", user.email)
        except CommandError as exc:
            return str(exc)
        return ""

    monkeypatch.setattr(base, "record", slowly)
    outcomes = at_once(deactivate, deactivate)
    assert sorted(outcomes) == ["", f"{user.email} is inactive already."]
    assert Event.objects.filter(event="user_deactivate").count() == 1


@pytest.mark.parametrize("command", ["deactivateuser", "changepassword"])
def test_an_unknown_user_is_an_error(command):
    for login in ("unknown", "unknown@example.org", str(UserFactory.build().pk)):
        with pytest.raises(CommandError, match=f"There is no user {login}"):
            call_command(command, login)


def test_changepassword_ends_the_sessions_and_undoes_no_deactivation(
    monkeypatch, on_commit, pushes, audits
):
    user = UserFactory(email="Ada@example.org")

    def prompt(**kwargs):
        if User.objects.get().is_active:
            User.objects.get().deactivate()
        return NEW

    monkeypatch.setattr(getpass, "getpass", prompt)
    with on_commit():
        call_command("changepassword", "ada@EXAMPLE.org")
    user.refresh_from_db()
    assert (user.check_password(NEW), user.is_active) == (True, False)
    assert user.session_epoch == user.password_epoch == EPOCH + 2
    reasons = [push["reason"] for push in pushes]
    assert reasons == ["user_deactivated", "password_changed"]
    assert ("authn_password_change", "operator") in [
        (line.event, getattr(line, "by", "")) for line in audits()
    ]


@pytest.fixture
def create(monkeypatch):
    """Calls make a superuser with Django's command."""

    def call(email="Root@example.org", username="admin", password=PASSWORD):
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
        names = {"email": email, "username": username}
        call_command("createsuperuser", interactive=False, **names)

    return call


def test_createsuperuser_works_by_email(create, audits):
    create()
    root = User.objects.get_by_identifier(email="root@example.org")
    assert (root.is_staff, root.is_superuser, root.username) == (True, True, "admin")
    assert root.check_password(PASSWORD)
    created, given = audits()
    assert created.event == "user_created"
    assert given.event == "privilege_permissions_changed"
    assert given.added == ["is_staff", "is_superuser"]


def test_createsuperuser_without_a_terminal_says_what_to_do():
    with pytest.raises(CommandError, match="DJANGO_SUPERUSER_PASSWORD"):
        call_command("createsuperuser", stdin=io.StringIO())
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "ROOT@example.org"},
        {"username": "an@address"},
        {"password": "Password123!"},
    ],
    ids=repr,
)
def test_createsuperuser_takes_nothing_that_others_may_not_have(create, wrong):
    UserFactory(email="root@example.org", username="root")
    with pytest.raises(CommandError):
        create(**{"email": "other@example.org", "username": "other", **wrong})
    assert User.objects.count() == 1


def test_createsuperuser_names_each_taken_field_once(create):
    UserFactory(email="root@example.org", username="root")
    message = "^This e-mail address is taken.; This username is taken.$"
    with pytest.raises(CommandError, match=message):
        create("ROOT@example.org", "Root")


@pytest.mark.parametrize("above", [0, EPOCH, 2**62])
def test_every_epoch_is_raised_above_all_that_auth_knows(above, pushes, capsys):
    """Also of users who are gone; and no session is kept."""
    sid = "7b0d9c0a-4a0f-4c43-9b6e-0f2b1f6f9c11"
    users = [
        UserFactory(kept_sid=sid, kept_from=EPOCH),
        UserFactory(is_active=False),
        UserFactory(deleted_at="2026-01-31T12Z"),
        UserFactory(session_epoch=0),
    ]
    call_command("raiseepochs", f"--above={above}")
    for user in users:
        before = user.session_epoch
        user.refresh_from_db()
        assert user.session_epoch > max(before, above)
        assert user.session_epoch >= int(time.time()) - 1
        assert (user.kept_sid, user.kept_from) == (None, None)
    assert not pushes
    assert "Raised the epochs of 4 users." in capsys.readouterr().out


def test_the_epochs_of_many_users_are_raised_by_several_statements(monkeypatch):
    """One statement for all would not end in time. Changes of address are forgotten:
    their links are void."""
    users, updated = [UserFactory(session_epoch=0) for _ in range(5)], []
    times = dict.fromkeys(("created_at", "expires_at"), timezone.now())
    EmailChange.objects.create(user=users[-1], email="new@example.org", **times)

    def count(execute, *arguments):
        answer = execute(*arguments)
        if "UPDATE users_user" in arguments[0]:
            updated.append(arguments[-1]["cursor"].rowcount)
        return answer

    monkeypatch.setattr(raiseepochs, "BATCH", 2)
    with connection.execute_wrapper(count):
        call_command("raiseepochs", "--above=7")
    assert updated == [2, 2, 1, 0]
    assert not EmailChange.objects.exists()
    for user in users:
        user.refresh_from_db()
        assert user.session_epoch > 7
