"""Actions on many users that cannot be done, or not all of them."""

import threading
import time
from contextlib import suppress
from functools import partial
from uuid import UUID

import psycopg
import pytest
import responses
from django.contrib.admin.models import LogEntry
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException

from tests.admin_pages import LIST, act, ask, browser_of, said
from tests.factories import EPOCH, UserFactory
from users import bulk
from users.accounts import deletion
from users.bulk import changes
from users.models import User


@responses.activate
def test_without_the_auth_service_it_is_done_and_said(admin, settings, caplog):
    url = f"{settings.AUTH_SERVICE_URL}/api/v1/auth/sessions/revoke"
    call = responses.post(url, status=503)
    users = [UserFactory() for _ in range(5)]
    messages = act(admin, "deactivate", *users)
    assert messages[0] == "5 users deactivated."
    assert "The Auth Service did not receive" in messages[-1]
    assert call.call_count == 1
    [lost] = [r for r in caplog.records if getattr(r, "event", "") == "push_lost"]
    assert lost.users == 5
    found = User.objects.filter(session_epoch=EPOCH + 1)
    assert found.count() == 5


@pytest.mark.parametrize("chunk", [1, 2], ids=["by the worker", "at once"])
def test_a_database_that_fails_changes_nothing_and_is_a_page(
    admin, monkeypatch, pushes, chunk
):
    """With either, jobs are the last that is written: two, or that of the mails."""
    real, jobs = app.job_manager.batch_defer_jobs, []

    def fail(**kwargs):
        jobs.append(kwargs)
        if chunk * len(jobs) == 2:
            raise ConnectorException from psycopg.OperationalError()
        return real(**kwargs)

    monkeypatch.setattr(bulk, "CHUNK", chunk)
    monkeypatch.setattr(app.job_manager, "batch_defer_jobs", fail)
    admin.raise_request_exception = False
    users = [UserFactory() for _ in range(2)]
    response = ask(admin, "deactivate", *users, confirmed="yes")
    assert response.status_code == 503
    assert response["Content-Type"].startswith("text/html")
    assert said(response) == []
    assert not User.objects.filter(is_active=False).exists()
    assert not LogEntry.objects.exists()
    assert not ProcrastinateJob.objects.exists()
    assert pushes == []


@pytest.fixture
def superusers():
    users = [UserFactory(is_staff=True, is_superuser=True) for _ in range(2)]
    return sorted(users, key=lambda user: user.pk)


@pytest.fixture
def when_locked(monkeypatch):
    """Calls have this done when an action has locked its users, before it commits."""

    def call(act):
        recording = changes.recording

        def then(*args):
            act()
            return recording(*args)

        monkeypatch.setattr(changes, "recording", then)

    return call


@pytest.mark.parametrize("action", ["end_sessions", "deactivate", "soft_delete"])
def test_of_two_superusers_who_act_on_each_other_at_once_one_stays(
    superusers, when_locked, at_once, pushes, monkeypatch, action
):
    """CONC-09, PRIV-01. They do not deadlock when both have locked what they can."""
    ada, bob = superusers
    begun, locked = threading.Barrier(2), threading.Barrier(2)
    change_chunk = bulk.change_chunk

    def begin(*args):
        begun.wait(10)
        return change_chunk(*args)

    def meet():
        with suppress(threading.BrokenBarrierError):
            locked.wait(0.5)

    monkeypatch.setattr(bulk, "change_chunk", begin)
    when_locked(meet)
    others = [partial(act, browser_of(ada), action, bob)]
    others += [partial(act, browser_of(bob), action, ada)]
    said = sorted(messages[0] for messages in at_once(*others))
    assert said[0].startswith("1 user ")
    left = User.objects.present().filter(is_superuser=True).count()
    if action == "end_sessions":
        assert left == 2
    else:
        assert (left, said[1][:17]) == (1, "Left out: 1 user,")


@pytest.mark.parametrize("second", ["delete", "act"])
def test_what_begins_while_users_are_locked_is_done_after_it(
    superusers, when_locked, at_once, pushes, second
):
    """CONC-09. It locks rows of the first one, who has to be there at the commit."""
    operator, other = superusers
    last = UserFactory(id=UUID(int=2**128 - 1))
    has_rows = threading.Event()

    def give_time():
        has_rows.set()
        time.sleep(0.3)

    def begin():
        assert has_rows.wait(5)
        if second == "delete":
            return deletion.delete_own(other)
        return act(browser_of(other), "end_sessions", operator, last)

    when_locked(give_time)
    changed = other if second == "delete" else last
    first = partial(act, browser_of(operator), "end_sessions", changed)
    said, done = at_once(first, begin)
    assert said == ["1 user logged out everywhere."]
    assert done == (
        ["2 users logged out everywhere."]
        if second == "act"
        else User.objects.get(pk=other.pk).delete_after
    )


def test_too_many_are_refused(admin, monkeypatch):
    monkeypatch.setattr(bulk, "MOST", 2)
    users = [UserFactory() for _ in range(3)]
    [text] = said(ask(admin, "deactivate", *users, confirmed="yes"))
    assert "selected more" in text
    assert User.objects.filter(is_active=False).count() == 0
    assert ask(admin, "deactivate", *users[:2]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"_selected_action": "abc", "action": "deactivate"},
        {"_selected_action": "abc", "action": "deactivate", "select_across": "1"},
        {"_selected_action": ["1", "\0"], "action": "restore", "index": "0"},
        {"_selected_action": "abc", "action": "deactivate", "of_page": "1"},
        {"action": "deactivate", "index": "0"},
        {"_selected_action": "0" * 32, "action": "no_action"},
        {"_selected_action": "0" * 32},
        {"_selected_action": "0" * 32, "action": "delete_selected"},
        {"_selected_action": "0" * 32, "index": "x"},
    ],
    ids=str,
)
def test_bad_input_is_a_message(admin, body):
    response = admin.post(LIST, body)
    assert (response.status_code, response["Location"]) == (302, LIST)
    assert len(said(response)) == 1


def test_more_fields_than_a_browser_sends_are_a_page(admin):
    body = {"action": "deactivate", "_selected_action": ["0" * 32] * 1001}
    response = admin.post(LIST, body)
    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")
