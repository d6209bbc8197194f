import getpass

import pytest
from django.core.management import CommandError, call_command

from tests.factories import EPOCH, NEW, PASSWORD, UserFactory
from users.models import User

ACTS = {
    "deactivateuser": ({}, (False, False), 1),
    "activateuser": ({"is_active": False}, (True, False), 0),
    "deleteuser": ({}, (True, True), 1),
    "restoreuser": ({"deleted_at": "2026-01-31T12Z"}, (True, False), 0),
    "endsessions": ({}, (True, False), 1),
}


@pytest.mark.parametrize("name", ["email", "username", "pk"])
def test_a_user_is_named_in_any_way(name, capsys):
    user = UserFactory(email="Ada@example.org", username="Ada")
    call_command("deactivateuser", str(getattr(user, name)).upper())
    assert "Ada@example.org is inactive" in capsys.readouterr().out
    user.refresh_from_db()
    assert not user.is_active


@pytest.mark.parametrize("command", ACTS)
def test_commands_do_it_and_end_the_sessions(command, on_commit, pushes):
    before, after, epoch = ACTS[command]
    user = UserFactory(**before)
    with on_commit():
        call_command(command, user.email)
    user.refresh_from_db()
    assert (user.is_active, user.is_deleted) == after
    assert user.session_epoch - EPOCH == len(pushes) == epoch


@pytest.mark.parametrize("command", [*ACTS, "changepassword"])
def test_an_unknown_user_is_an_error(command):
    for login in ("unknown", "unknown@example.org", str(UserFactory.build().pk)):
        with pytest.raises(CommandError, match=f"There is no user {login}"):
            call_command(command, login)


def test_changepassword_ends_the_sessions_and_undoes_no_deactivation(
    monkeypatch, on_commit, pushes
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
    assert user.check_password(NEW)
    assert not user.is_active
    assert user.session_epoch == user.password_epoch == EPOCH + 2
    reasons = [push["reason"] for push in pushes]
    assert reasons == ["user_deactivated", "password_changed"]


def test_createsuperuser_works_by_email(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    names = {"email": "Root@example.org", "username": "admin"}
    call_command("createsuperuser", interactive=False, **names)
    root = User.objects.get_by_identifier(email="root@example.org")
    assert (root.is_staff, root.is_superuser, root.username) == (True, True, "admin")
    assert root.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("email", "username", "password"),
    [
        ("ROOT@example.org", "other", PASSWORD),
        ("other@example.org", "ROOT", PASSWORD),
        ("no address", "other", PASSWORD),
        ("other@example.org", "an@address", PASSWORD),
        ("other@example.org", "other", "password"),
    ],
)
def test_createsuperuser_takes_nothing_that_others_may_not_have(
    monkeypatch, email, username, password
):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
    UserFactory(email="root@example.org", username="root")
    names = {"email": email, "username": username}
    with pytest.raises(CommandError):
        call_command("createsuperuser", interactive=False, **names)
    assert User.objects.count() == 1
