"""Actions on more users than one chunk, which the worker does."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from tests.admin_pages import LIST, act, ask, browser_of, said
from tests.factories import EPOCH, UserFactory
from users import bulk
from users.events.models import Event
from users.mail.models import Mail
from users.models import Role, User

MANY = """
INSERT INTO users_user (
    id, email, email_canonical, username, username_canonical, {rest}
)
SELECT gen_random_uuid(), n || '@many.example', n || '@many.example', 'many' || n,
    'many' || n, {rest}
FROM generate_series(1, %s) AS n, users_user WHERE users_user.id = %s
"""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 2)


def jobs():
    found = ProcrastinateJob.objects.filter(task_name="change_users")
    return list(found.order_by("id"))


def test_they_follow_by_the_worker(admin, root, pushes, audits, run_jobs):
    """As in a request: changed, with history and events that name the operator, mails
    and pushes."""
    users = [UserFactory() for _ in range(7)]
    [text] = act(admin, "deactivate", *users)
    assert text.endswith("in the background: 7 users follow within minutes.")
    assert not User.objects.filter(is_active=False).exists()
    [line] = [each for each in audits() if each.event == "users_changed"]
    assert (line.users, line.following, line.refused) == (0, 7, 0)
    assert [len(job.args["user_ids"]) for job in jobs()] == [2, 2, 2, 1]
    assert {job.priority for job in jobs()} == {1}  # before mails
    assert run_jobs() == []
    ids = {user.pk for user in users}
    gone = User.objects.filter(is_active=False, session_epoch=EPOCH + 1)
    assert {user.pk for user in gone} == ids
    events = Event.objects.filter(event="user_deactivate", user_id__in=ids)
    assert [each.actor for each in events] == [f"operator:{root.pk}"] * 7
    assert {entry.object_id for entry in LogEntry.objects.filter(user=root)} == {
        str(user_id) for user_id in ids
    }
    assert Mail.objects.filter(kind="deactivated", user__in=ids).count() == 7
    assert {x for push in pushes for x in push["user_ids"]} == {*map(str, ids)}
    lines = [each for each in audits() if each.event == "users_changed"]
    assert [each.users for each in lines] == [0, 2, 2, 2, 1]
    assert {each.by for each in lines} == {str(root.pk)}


def test_a_job_that_runs_twice_changes_nothing_again(admin, pushes, run_jobs):
    users = [UserFactory() for _ in range(4)]
    act(admin, "deactivate", *users)
    [job, _] = jobs()
    run_jobs()
    bulk.follow("deactivate", job.args["user_ids"], job.args["editor_id"])
    assert {*User.objects.values_list("session_epoch", flat=True)} == {EPOCH, EPOCH + 1}
    assert Event.objects.filter(event="user_deactivate").count() == 4


@pytest.mark.parametrize(
    ("action", "is_operator"),
    [("deactivate", True), ("soft_delete", False), ("end_sessions", True)],
)
def test_a_job_whose_worker_was_killed_after_the_commit_pushes(
    root, pushes, monkeypatch, action, is_operator
):
    """When it runs again, also if the operator has lost the right meanwhile."""
    users = [UserFactory() for _ in range(2)]
    job = action, [user.pk for user in users], root.pk
    with monkeypatch.context() as killed:
        killed.setattr(bulk, "report", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bulk.follow(*job)
    assert pushes == []
    User.objects.filter(pk=root.pk).update(is_staff=is_operator)
    bulk.follow(*job)
    epochs = {*User.objects.exclude(pk=root.pk).values_list("session_epoch", flat=True)}
    [push] = pushes
    assert {push["epoch"]} == epochs
    assert {*push["user_ids"]} == {str(user.pk) for user in users}


def test_who_may_be_changed_is_asked_when_it_is_done(pushes, run_jobs):
    """A role that the editor lacks was given meanwhile."""
    editor = UserFactory(is_staff=True, permissions=["change_user"])
    users = [UserFactory() for _ in range(5)]
    act(browser_of(editor), "deactivate", *users)
    late = User.objects.filter(is_active=True).exclude(pk=editor.pk).last()
    late.groups.add(Role.objects.create(name="finance"))
    run_jobs()
    left = User.objects.filter(is_active=True)
    assert {user.pk for user in left} == {editor.pk, late.pk}


LOSSES = {
    "right": lambda editor: editor.user_permissions.clear(),
    "staff": lambda editor: User.objects.filter(pk=editor.pk).update(is_staff=False),
    "presence": lambda editor: editor.deactivate(),
    "account": lambda editor: editor.delete(),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_an_operator_without_the_right_changes_no_more(pushes, run_jobs, audits, loss):
    own = ["view_user", "delete_user"]
    editor = UserFactory(is_staff=True, permissions=own)
    act(browser_of(editor), "soft_delete", *(UserFactory() for _ in range(5)))
    present = User.objects.present().exclude(pk=editor.pk)
    assert present.count() == 5
    LOSSES[loss](editor)
    run_jobs()
    assert present.count() == 5
    assert (audits()[-1].users, audits()[-1].refused) == (0, 1)


@pytest.mark.verify
def test_a_hundred_thousand_are_done(admin, monkeypatch, settings, pushes, run_jobs):
    """In the chunks of the service. Without mail: a worker would send each."""
    monkeypatch.setattr(bulk, "CHUNK", 5000)
    settings.MAIL_ENABLED = False
    model = UserFactory()
    names = [field.column for field in User._meta.concrete_fields]
    rest = [f'"{x}"' for x in names if not x.startswith(("id", "email", "username"))]
    with connection.cursor() as cursor:
        cursor.execute(MANY.format(rest=", ".join(rest)), [bulk.MOST - 1, model.pk])
    query = "?is_staff__exact=0"
    page = ask(
        admin, "deactivate", model, query=query, select_across="1", confirmed="yes"
    )
    [text] = said(page)
    assert text.endswith("100,000 users follow within minutes.")
    assert page["Location"] == LIST + query
    assert len(jobs()) == 20
    assert run_jobs() == []
    assert User.objects.filter(is_active=False).count() == bulk.MOST
    assert len(pushes) == 20
    assert Event.objects.filter(event="user_deactivate").count() == bulk.MOST
