import getpass
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.factories import EPOCH, PASSWORD, UserFactory
from users.models import User

pytestmark = pytest.mark.django_db


def run(*words, **options):
    out = StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


@pytest.mark.parametrize("name", ["email", "username", "pk"])
def test_a_user_is_named_in_any_way(name):
    user = UserFactory(email="Ada@example.org", username="Ada")
    out = run("deactivateuser", str(getattr(user, name)).upper())
    assert "Ada@example.org is inactive" in out
    user.refresh_from_db()
    assert not user.is_active


@pytest.mark.parametrize(
    ("command", "before", "after", "epoch"),
    [
        ("deactivateuser", {}, (False, False), 1),
        ("activateuser", {"is_active": False}, (True, False), 0),
        ("deleteuser", {}, (True, True), 1),
        ("restoreuser", {"deleted_at": "2026-01-31T12:00:00Z"}, (True, False), 0),
        ("endsessions", {}, (True, False), 1),
    ],
)
def test_commands_do_it_and_end_the_sessions(
    command, before, after, epoch, on_commit, pushes
):
    user = UserFactory(**before)
    with on_commit():
        run(command, user.email)
    user.refresh_from_db()
    assert (user.is_active, user.is_deleted) == after
    assert user.session_epoch - EPOCH == len(pushes) == epoch


@pytest.mark.parametrize(
    "login",
    ["nobody", "nobody@example.org", "5f0c8a53-8a5e-4f0e-9d43-0d8f9bd1a1c4"],
)
@pytest.mark.parametrize(
    "command",
    [
        "activateuser",
        "changepassword",
        "deactivateuser",
        "deleteuser",
        "endsessions",
        "restoreuser",
    ],
)
def test_an_unknown_user_is_an_error(command, login):
    with pytest.raises(CommandError, match=f"There is no user {login}"):
        run(command, login)


def test_changepassword_ends_the_sessions(monkeypatch, on_commit, pushes):
    user = UserFactory(email="Ada@example.org")
    monkeypatch.setattr(getpass, "getpass", lambda **kwargs: "a newer horse battery")
    with on_commit():
        run("changepassword", "ada@EXAMPLE.org")
    user.refresh_from_db()
    assert user.check_password("a newer horse battery")
    assert user.session_epoch == user.password_epoch == EPOCH + 1
    assert len(pushes) == 1


def test_changepassword_does_not_undo_a_deactivation_meanwhile(monkeypatch):
    user = UserFactory()

    def prompt(**kwargs):
        User.objects.get(pk=user.pk).deactivate()
        return "a newer horse battery"

    monkeypatch.setattr(getpass, "getpass", prompt)
    run("changepassword", user.email)
    user.refresh_from_db()
    assert not user.is_active
    assert user.session_epoch == EPOCH + 2


def test_createsuperuser_works_by_email(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    run(
        "createsuperuser", interactive=False, email="Root@example.org", username="admin"
    )
    root = User.objects.get_by_identifier(email="root@example.org")
    assert (root.is_staff, root.is_superuser, root.username) == (True, True, "admin")
    assert root.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("email", "username"),
    [
        ("ROOT@example.org", "other"),
        ("other@example.org", "ROOT"),
        ("no address", "other"),
        ("other@example.org", "an@address"),
    ],
)
def test_createsuperuser_says_what_is_wrong(email, username):
    UserFactory(email="root@example.org", username="root")
    with pytest.raises(CommandError):
        run("createsuperuser", interactive=False, email=email, username=username)
    assert User.objects.count() == 1


def test_createsuperuser_takes_no_password_that_others_may_not_have(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "password")
    with pytest.raises(CommandError):
        run("createsuperuser", interactive=False, email="r@example.org", username="rrr")
    assert not User.objects.exists()
