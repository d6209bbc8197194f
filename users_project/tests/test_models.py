import json
import time
from importlib import import_module

import pytest
import responses
from django.db import IntegrityError, connection, transaction

from tests.factories import EPOCH, UserFactory, hashed
from users.diagnostics import long_role_names, long_roles
from users.metrics import lost_pushes
from users.models import Role, User

role_name_length = import_module("users.migrations.0007_role_name_length")


def test_there_is_no_account_until_somebody_makes_one():
    """REG-06: migrations leave none."""
    assert not User.objects.exists()


def test_an_id_is_a_random_uuid():
    first, second = UserFactory().pk, UserFactory().pk
    assert first.version == second.version == 4
    assert first != second


# Names


@pytest.mark.parametrize("same", [{"email": "ADA@example.org"}, {"username": "ADA"}])
def test_the_database_refuses_a_name_that_differs_in_case(same):
    UserFactory(email="ada@example.org", username="ada")
    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory(**same)


@pytest.mark.parametrize(
    "change",
    [
        {"email": "m\N{LATIN SMALL LETTER DOTLESS I}ke@example.org"},
        {"email": "two@at@example.org"},
        {"email": "no space@example.org"},
        {"email": "Other@example.org"},
        {"email_canonical": "other@example.org"},
        {"username": "with@sign"},
        {"username": "ab"},
        {"username": "line\nbreak"},
        {"username_canonical": "other"},
    ],
    ids=repr,
)
def test_the_database_refuses_what_goes_past_the_model(change):
    user = UserFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(**change)


def test_presence_is_the_same_in_rows_and_objects():
    for active in (True, False):
        for deleted_at in (None, "2026-01-31T12:00:00Z"):
            UserFactory(is_active=active, deleted_at=deleted_at)
    present = User.objects.present().get()
    assert [user for user in User.objects.all() if user.is_present] == [present]


@pytest.mark.parametrize("count", [0, 50, 80])
def test_roles_that_come_near_to_the_length_of_a_token_are_noted(count):
    UserFactory(roles=["one of another user"])
    names = [f"a role with a long name, number {n:010}" for n in range(count)]
    UserFactory(roles=names)
    noted = "the longest take 3600 of 4251 bytes"
    assert long_roles() == (noted if count == 80 else "")


@pytest.mark.parametrize("name", ["x" * 64, "\u042f" * 64])
def test_a_role_has_a_name_of_64_characters_at_most(name):
    """In the database too."""
    Role.objects.create(name=name)
    with pytest.raises(IntegrityError), transaction.atomic():
        Role.objects.create(name=f"{name}x")
    with pytest.raises(IntegrityError), transaction.atomic():
        Role.objects.update(name=f"{name}x")


def test_a_longer_name_of_an_earlier_version_stays_and_is_noted():
    assert long_role_names() == ""
    drop, add = [role_name_length.DROP, role_name_length.ADD]
    with connection.cursor() as cursor:
        cursor.execute(drop)
        old = Role.objects.create(name="x" * 150)
        cursor.execute(add)
    user = UserFactory()
    user.groups.add(old)
    assert User.objects.find(pk=user.pk).roles == [old.name]
    assert long_role_names() == "1 are longer, made by an earlier version"
    Role.objects.filter(pk=old.pk).update(name="shorter")
    assert long_role_names() == ""


def test_roles_are_measured_as_the_token_has_them():
    """In bytes of JSON."""
    names = ['say "hello"', "back\\slash", "\u0436\u0438", "\U0001f511", "a\tb"]
    UserFactory(roles=names)
    text = json.dumps(names, ensure_ascii=False, separators=(",", ":"))
    assert User.objects.all().longest_roles() == len(text.encode()) - len("[]") + 1


# Session epoch


def change_password(user):
    user.set_password("another long password")


def uncheck_active(user):
    user.is_active = False


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (change_password, "password_changed"),
        (User.set_unusable_password, "password_changed"),
        (uncheck_active, "user_deactivated"),
        (User.deactivate, "user_deactivated"),
        (User.soft_delete, "user_deleted"),
        (lambda user: [user.soft_delete() for _ in range(2)], "user_deleted"),
        (User.end_sessions, "ended_by_operator"),
    ],
)
def test_what_ends_sessions_raises_the_epoch_once_and_is_pushed(
    end, reason, pushes, on_commit
):
    """The epoch of the password is the one of its change or removal, and no other."""
    user = UserFactory()
    with on_commit():
        end(user)
        for _ in range(2):
            user.save()  # a second one has nothing left to do
        assert pushes == []
    row = User.objects.get(pk=user.pk)
    assert user.session_epoch == row.session_epoch == EPOCH + 1
    changed = EPOCH + 1 if reason == "password_changed" else 0
    assert user.password_epoch == row.password_epoch == changed
    assert user.updated_at == row.updated_at
    [push] = pushes
    assert push == {
        "user_ids": [str(user.pk)],
        "epoch": EPOCH + 1,
        "reason": reason,
    }


def test_the_epoch_follows_the_clock():
    """Above all that was given before an older database was restored."""
    user = UserFactory(session_epoch=3)
    before = int(time.time())
    change_password(user)
    user.save()
    assert before <= user.session_epoch <= time.time()
    assert user.password_epoch == user.session_epoch


@responses.activate
def test_pushes_that_fail_break_nothing_and_after_three_no_user_waits(
    on_commit, settings, caplog
):
    """The alert counts all of them."""
    url = f"{settings.AUTH_SERVICE_URL}/api/v1/auth/sessions/revoke"
    call = responses.post(url, status=503)
    before = lost_pushes._value.get()
    users = [UserFactory() for _ in range(5)]
    with on_commit():
        for user in users:
            user.deactivate()
    assert not User.objects.present().exists()
    assert call.call_count == 3
    assert lost_pushes._value.get() == before + 5
    lost = [record for record in caplog.records if record.event == "push_lost"]
    assert [record.user_id for record in lost] == [str(user.pk) for user in users]


# Saving what was changed


def test_a_save_does_not_undo_what_others_changed():
    stale = UserFactory(password="old password")
    fresh = User.objects.get(pk=stale.pk)
    fresh.password = hashed("new password")
    fresh.is_active = False
    fresh.save()
    stale.display_name = "Ada"
    stale.save()
    user = User.objects.get(pk=stale.pk)
    assert user.display_name == "Ada"
    assert (user.password, user.is_active) == (fresh.password, False)
    assert user.session_epoch == EPOCH + 1
    stale.end_sessions()
    assert stale.session_epoch == EPOCH + 2


def test_a_save_writes_what_was_set_and_not_yet_written(django_assert_num_queries):
    """A partial save or a refresh leaves the rest for the next one; so does a field
    that was not read."""
    pk = UserFactory().pk
    user, deferred = User.objects.get(pk=pk), User.objects.only("pk").get(pk=pk)
    user.first_name, user.last_name = "Ada", "Lovelace"
    user.save(update_fields=["first_name"])
    user.refresh_from_db(fields=["session_epoch"])
    assert User.objects.get(pk=pk).last_name == ""
    user.save()
    deferred.display_name = "Countess"
    deferred.save()
    now = User.objects.get(pk=pk)
    names = (now.first_name, now.last_name, now.display_name)
    assert names == ("Ada", "Lovelace", "Countess")
    with django_assert_num_queries(0):
        now.save()
