"""Fourteen days after a deletion nothing that is personal is left of an account."""

import threading
from datetime import timedelta
from importlib import import_module
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from shared import erasures as erasures_file
from shared.api.exceptions import DependencyUnavailable, LinkInvalid
from shared.tests.query_plans import reading
from tests.accounts.personal_data import DAY, MARKS, due_user, everything, fill
from tests.admin_pages import LIST, act, ask, browser_of, change_url, url
from tests.factories import UserFactory
from tests.factors.rows import with_factors
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
from users.admin.users import UserAdmin
from users.factors.models import FactorReset
from users.limits.guess_limits import Client
from users.mail.models import Mail
from users.models import User

pytestmark = pytest.mark.usefixtures("erasures")


def counts():
    models = (Link, Mail, EmailChange, Registration, AddressRequest, LogEntry, Session)
    return [model.objects.count() for model in models]


def test_nothing_that_is_personal_is_left(marked, jobs, audits, erasures):
    """PRIV-02. Of another user all is left. The id stays, so that logs name no one."""
    browser_of(marked)
    bob = UserFactory(email="bob@example.org")
    fill(bob, "bob")
    browser_of(bob)
    before = everything()
    for mark in range(1, 9):
        assert f"mark-{mark}" in before.lower()
    assert erasure.erase_due() == 1
    assert "mark-" not in everything().lower()
    assert counts() == [2, 4, 1, 1, 1, 2, 1]
    row = User.objects.values().get(pk=marked.pk)
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
    user = User.objects.get(pk=marked.pk)
    assert (user.groups.count(), user.user_permissions.count()) == (0, 0)
    entry = LogEntry.objects.get(user=marked)
    assert entry.object_repr == str(marked.pk)
    assert jobs("erase_in_auth") == [{"user_id": str(marked.pk)}]
    assert erasures_file.read(str(erasures)) == [marked.pk]
    assert erasures.stat().st_mode & 0o777 == 0o600
    assert audits("event", "user_id")[-1] == ("user_erased", str(marked.pk))
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


def test_the_history_of_a_user_is_found_by_an_index(ada):
    """PostgreSQL would search a table as small as this from end to end."""
    with connection.cursor() as cursor, reading() as read:
        cursor.execute("SET LOCAL enable_seqscan = off")
        assert not erasure.history_of([ada.pk])
    assert ("admin_log_object", 0) in [(name, rows) for _, name, rows in read.scans]
    assert not read.whole_tables


def test_the_names_of_erased_users_belong_to_no_one(guess, marked):
    """They cannot be registered, and do not log in. The old ones are free."""
    erasure.erase_due()
    user = User.objects.get(pk=marked.pk)
    for check, name in (
        (validators.validate_not_an_id, user.username),
        (validators.validate_email, user.email),
    ):
        with pytest.raises(ValidationError):
            check(name)
    for login in (user.email, user.username, MARKS["email"]):
        assert guess(login=login).status_code == 401
    UserFactory(email=MARKS["email"], username=MARKS["username"])


# Erased users stay so


def test_no_one_restores_an_erased_user(marked, admin, pushes, token, post):
    """PRIV-02. Not by the link, not by a command, not in the admin, which shows that
    there is nothing left to change."""
    link = token("restore")
    erasure.erase_due()
    assert_refused(post("/restore", token=link), 400, "link_invalid")
    for command in ("restoreuser", "activateuser", "changepassword"):
        with pytest.raises(CommandError, match=f"{marked.pk} is erased"):
            call_command(command, str(marked.pk))
    user = User.objects.get(pk=marked.pk)
    page = admin.get(change_url(user)).content.decode()
    assert "This user is erased" in page
    assert 'name="_save"' not in page
    assert 'name="action"' not in page
    for action in ("restore", "activate"):
        assert "Left out: 1 not yours to change" in (
            ask(admin, action, user).content.decode()
        )
        act(admin, action, user)
    row = User.objects.get(pk=marked.pk)
    assert (row.is_deleted, row.is_active) == (True, False)
    assert row.erased_at == user.erased_at
    assert '<td class="field-status">erased</td>' in admin.get(LIST).content.decode()


@pytest.mark.parametrize("door", ["command", "admin", "service"])
def test_when_the_time_has_come_no_one_restores(door, admin, pushes):
    """The file may name them by now."""
    user = due_user()
    if door == "command":
        with pytest.raises(CommandError, match="is about to be erased"):
            call_command("restoreuser", str(user.pk))
    elif door == "admin":
        act(admin, "restore", user)
    else:
        assert not deletion.restore(user)
    assert User.objects.get(pk=user.pk).is_deleted


# What operators wrote and do


def test_the_reason_of_a_reset_of_factors_is_not_kept(admin):
    """It says how the operator knew who was asking: ENR-04."""
    user = with_factors(due_user())
    page = url("users_user_factors", user.pk)
    admin.post(page, {"reason": "Mark-1 showed a passport"})
    admin.post(page, {"cancel": "yes"})
    act(admin, "end_sessions", user)
    erasure.erase_due()
    assert "mark-" not in everything().lower()
    kept = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert [*kept] == [
        "Asked for a reset of the second factors.",
        "Cancelled the reset of the second factors.",
        "Logged out everywhere.",
    ]


FORMS = {
    "sessions": {"session": str(uuid4())},
    "locks": {"lift": "yes"},
    "factors": {"reason": "seen at the desk"},
}


@pytest.mark.parametrize("name", FORMS)
def test_what_an_operator_does_meanwhile_names_no_one(
    admin, at_once, monkeypatch, name
):
    """The erasure commits after the page has read the user."""
    user = with_factors(due_user(**MARKS))
    read = UserAdmin.user_of

    def then_erase(*args):
        found = read(*args)
        at_once(erasure.erase_due)
        return found

    monkeypatch.setattr(UserAdmin, "user_of", then_erase)
    monkeypatch.setattr("users.admin.user_pages.auth_client", Mock)
    admin.post(url(f"users_user_{name}", user.pk), FORMS[name])
    assert User.objects.get(pk=user.pk).is_erased
    assert "mark-" not in everything().lower()
    assert not Mail.objects.filter(user=user).exists()
    assert not FactorReset.objects.exists()


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
            deletion.restore_by_link(token, Client())
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


# The Auth Service


def test_the_auth_service_is_asked_until_it_answers(marked, auth_service, run_jobs):
    """PRIV-02. Soon after the first failure, then later and later, without an end."""
    path = f"users/{marked.pk}/erase"
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
        cursor.execute(import_module("users.migrations.0013_erasure").WAIT)
    old.refresh_from_db()
    assert old.delete_after - timezone.now() > 13.9 * DAY
    assert User.objects.get(pk=present.pk).delete_after is None
