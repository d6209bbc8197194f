import logging
import time

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from shared.api.exceptions import DependencyUnavailable
from tests.factories import EPOCH, PASSWORD, UserFactory, hashed
from users.models import User

pytestmark = pytest.mark.django_db


def test_there_is_no_account_until_somebody_makes_one():
    """REG-06: migrations leave none."""
    assert not User.objects.exists()


def test_an_id_is_a_random_uuid():
    first, second = UserFactory().pk, UserFactory().pk
    assert first.version == second.version == 4
    assert first != second


def test_names_are_kept_as_written_and_canonical_beside():
    user = UserFactory(email="Ada.L@Example.ORG", username="Ada_L")
    user.refresh_from_db()
    assert (user.email, user.username) == ("Ada.L@Example.ORG", "Ada_L")
    assert user.email_canonical == "ada.l@example.org"
    assert user.username_canonical == "ada_l"


@pytest.mark.parametrize("update_fields", [None, ["email"]])
def test_a_changed_address_changes_its_canonical_form(update_fields):
    user = UserFactory()
    user.email = "New@Example.org"
    user.save(update_fields=update_fields)
    assert User.objects.get_by_identifier(email="new@EXAMPLE.org") == user


@pytest.mark.parametrize(
    "same",
    [{"email": "ADA@example.org"}, {"username": "ADA"}],
    ids=["e-mail", "username"],
)
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


def test_the_email_is_looked_up_before_the_username():
    ada, bob = UserFactory(username="ada"), UserFactory(username="bob")
    assert User.objects.get_by_identifier(email=ada.email, username="bob") == ada
    assert User.objects.get_by_identifier(username=" BOB ") == bob
    assert User.objects.get_by_identifier(email="bob") is None
    assert User.objects.get_by_identifier() is None


def test_present_are_the_active_who_are_not_deleted():
    present = UserFactory()
    UserFactory(is_active=False)
    UserFactory().soft_delete()
    assert list(User.objects.present()) == [present]


def test_presence_is_the_same_in_rows_and_objects():
    for active in (True, False):
        for deleted_at in (None, "2026-01-31T12:00:00Z"):
            UserFactory(is_active=active, deleted_at=deleted_at)
    for user in User.objects.all():
        assert user.is_present == User.objects.present().contains(user)


def test_roles_come_sorted_in_the_same_query(django_assert_num_queries):
    UserFactory(roles=["writer", "admin"])
    UserFactory(roles=[])
    with django_assert_num_queries(1):
        roles = [u.roles for u in User.objects.with_roles().order_by("created_at")]
    assert roles == [["admin", "writer"], []]


def test_create_user_without_a_password_lets_nobody_in():
    user = User.objects.create_user("a@example.org", "ada")
    assert not user.has_usable_password()
    assert not user.check_password("")


def test_create_user_leaves_a_transaction_usable():
    UserFactory(email="a@example.org")
    with pytest.raises(IntegrityError):
        User.objects.create_user("A@example.org", "other", PASSWORD)
    assert User.objects.count() == 1


def test_create_superuser_may_all_and_says_what_is_wrong():
    root = User.objects.create_superuser("root@example.org", "admin", PASSWORD)
    assert root.is_staff
    assert root.is_superuser
    with pytest.raises(ValidationError) as caught:
        User.objects.create_superuser("ROOT@example.org", "x", PASSWORD)
    assert caught.value.message_dict.keys() == {"email_canonical", "username"}


# Session epoch


def change_password(user):
    user.set_password("another long password")
    user.save()


def forbid_passwords(user):
    user.set_unusable_password()
    user.save()


def uncheck_active(user):
    user.is_active = False
    user.save()


ENDINGS = [
    (change_password, "password_changed"),
    (forbid_passwords, "password_changed"),
    (uncheck_active, "user_deactivated"),
    (User.deactivate, "user_deactivated"),
    (User.soft_delete, "user_deleted"),
    (User.end_sessions, "ended_by_operator"),
]


@pytest.mark.parametrize(
    ("end", "reason"), ENDINGS, ids=lambda x: getattr(x, "__name__", x)
)
def test_what_ends_sessions_raises_the_epoch_once_and_is_pushed(
    end, reason, pushes, on_commit
):
    user = UserFactory()
    with on_commit():
        end(user)
        user.save()  # a second save has nothing left to do
    row = User.objects.get(pk=user.pk)
    assert user.session_epoch == row.session_epoch == EPOCH + 1
    assert user.updated_at == row.updated_at
    assert pushes == [{"user_id": str(user.pk), "epoch": EPOCH + 1, "reason": reason}]


@pytest.mark.parametrize(
    ("end", "reason"), ENDINGS, ids=lambda x: getattr(x, "__name__", x)
)
def test_the_password_has_an_epoch_of_its_own(end, reason):
    """Set by a change or removal of the password, and by nothing else."""
    user = UserFactory()
    end(user)
    row = User.objects.get(pk=user.pk)
    changed = EPOCH + 1 if reason == "password_changed" else 0
    assert user.password_epoch == row.password_epoch == changed


def test_the_epoch_follows_the_clock():
    """Above all that was given before an older database was restored."""
    user = UserFactory(session_epoch=3)
    before = int(time.time())
    change_password(user)
    assert before <= user.session_epoch <= time.time()
    assert user.password_epoch == user.session_epoch


def test_nothing_is_pushed_before_the_commit(pushes):
    UserFactory().deactivate()
    assert pushes == []


def test_the_epoch_and_its_cause_are_one_transaction(monkeypatch):
    user = UserFactory()
    monkeypatch.setattr("users.models.revocation.push", None)  # partial(None) fails
    with pytest.raises(TypeError):
        user.deactivate()
    row = User.objects.get(pk=user.pk)
    assert (row.is_active, row.session_epoch) == (True, EPOCH)


def test_two_who_end_sessions_at_once_raise_the_epoch_twice():
    mine = UserFactory()
    theirs = User.objects.get(pk=mine.pk)
    theirs.end_sessions()
    mine.end_sessions()
    assert mine.session_epoch == EPOCH + 2


@pytest.mark.parametrize("count", [0, 50, 80])
def test_roles_that_come_near_to_the_length_of_a_token_are_noted(count):
    from users.diagnostics import long_roles

    UserFactory(roles=["one of another user"])
    names = [f"a role with a long name, number {n:010}" for n in range(count)]
    UserFactory(roles=names)

    assert long_roles() == ("the longest take 3600 of 4251" if count == 80 else "")


def rename(user):
    user.display_name = "Another"
    user.save()


def log_in(user):
    user.last_login = Now()
    user.save(update_fields=["last_login"])


def reactivate(user):
    User.objects.filter(pk=user.pk).update(is_active=False)
    user.refresh_from_db()
    user.activate()


def restore(user):
    User.objects.filter(pk=user.pk).update(deleted_at=Now())
    user.refresh_from_db()
    user.restore()


@pytest.mark.parametrize("act", [rename, log_in, reactivate, restore])
def test_what_ends_no_session_leaves_the_epoch(act, pushes, on_commit):
    user = UserFactory()
    with on_commit():
        act(user)
    user.refresh_from_db()
    assert user.session_epoch == EPOCH
    assert user.is_present
    assert pushes == []


def test_deleting_again_keeps_the_time_and_the_epoch():
    user = UserFactory()
    user.soft_delete()
    deleted_at = user.deleted_at
    user.soft_delete()
    assert (user.deleted_at, user.session_epoch) == (deleted_at, EPOCH + 1)
    user.restore()
    assert user.is_present


def test_a_push_that_fails_is_logged_and_breaks_nothing(
    settings, on_commit, caplog, monkeypatch
):
    from shared.clients import AuthClient

    nowhere = AuthClient("http://127.0.0.1:9", "key")
    monkeypatch.setattr("users.revocation.auth_client", lambda: nowhere)
    user = UserFactory()
    with caplog.at_level(logging.ERROR), on_commit():
        user.deactivate()
    assert not User.objects.get(pk=user.pk).is_active
    assert [r.event for r in caplog.records] == ["service", "push_lost"]


def test_after_three_lost_pushes_nobody_waits_for_the_next(
    on_commit, monkeypatch, caplog
):
    tried: list[object] = []

    class Away:
        def revoke_sessions(self, *args):
            tried.append(args)
            raise DependencyUnavailable

    monkeypatch.setattr("users.revocation.auth_client", Away)
    with caplog.at_level(logging.ERROR), on_commit():
        for _ in range(5):
            UserFactory().deactivate()
    assert len(tried) == 3
    assert [record.event for record in caplog.records] == ["push_lost"] * 5


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


def test_a_save_without_a_change_writes_nothing(django_assert_num_queries):
    user = User.objects.get(pk=UserFactory().pk)
    with django_assert_num_queries(0):
        user.save()


def test_update_fields_leaves_other_changes_for_the_next_save():
    user = UserFactory()
    user.first_name, user.last_name = "Ada", "Lovelace"
    user.save(update_fields=["first_name"])
    assert User.objects.get(pk=user.pk).last_name == ""
    user.save()
    assert User.objects.get(pk=user.pk).last_name == "Lovelace"


def test_refreshing_one_field_leaves_other_changes_for_the_next_save():
    user = UserFactory()
    user.first_name = "Ada"
    user.refresh_from_db(fields=["session_epoch"])
    user.save()
    assert User.objects.get(pk=user.pk).first_name == "Ada"


def test_a_deferred_field_is_saved_when_it_was_set():
    user = User.objects.only("pk").get(pk=UserFactory().pk)
    user.first_name = "Ada"
    user.save()
    assert User.objects.get(pk=user.pk).first_name == "Ada"


def test_updated_at_follows_changes_but_no_log_in():
    user = UserFactory()
    before = user.updated_at
    log_in(user)
    assert User.objects.get(pk=user.pk).updated_at == before
    rename(user)
    assert User.objects.get(pk=user.pk).updated_at > before
