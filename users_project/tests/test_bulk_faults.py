"""Actions on many users that cannot be done, or not all of them."""

import psycopg
import pytest
import responses
from django.contrib.admin.models import LogEntry
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException

from tests.admin_pages import LIST, act, ask, said
from tests.factories import EPOCH, UserFactory
from users import bulk
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
