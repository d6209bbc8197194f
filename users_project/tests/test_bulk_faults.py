"""Actions on many users that cannot be done, or not all of them."""

import pytest
import responses
from django.db import OperationalError

from tests.admin_pages import LIST, act, ask, said
from tests.factories import EPOCH, UserFactory
from users import bulk
from users.models import User


@pytest.fixture
def auth_down(settings):
    with responses.RequestsMock() as mock:
        url = f"{settings.AUTH_SERVICE_URL}/api/v1/auth/sessions/revoke"
        mock.add("POST", url, status=503)
        yield mock


@pytest.mark.parametrize("reason", ["deactivate", "soft_delete", "end_sessions"])
def test_without_the_auth_service_it_is_done_and_said(
    admin, monkeypatch, auth_down, caplog, reason
):
    """One call and not one for each chunk: each would take seconds."""
    monkeypatch.setattr(bulk, "CHUNK", 2)
    users = [UserFactory() for _ in range(5)]
    messages = act(admin, reason, *users)
    assert "The Auth Service did not receive" in messages[-1]
    assert messages[0].startswith("5 users ")
    assert len(auth_down.calls) == 1
    [lost] = [r for r in caplog.records if getattr(r, "event", "") == "push_lost"]
    assert lost.users == 2
    found = User.objects.filter(session_epoch=EPOCH + 1)
    assert found.count() == 5


def test_time_for_a_push_is_bounded_too(admin, monkeypatch, pushes):
    monkeypatch.setattr(bulk, "PUSH_PATIENCE", -1)
    messages = act(admin, "deactivate", UserFactory())
    assert messages[0] == "1 user deactivated."
    assert "The Auth Service did not receive" in messages[-1]
    assert pushes == []


def test_what_is_not_finished_is_said(admin, monkeypatch, pushes, audits):
    """Chunks are done as a whole; doing it again does the others."""
    monkeypatch.setattr(bulk, "CHUNK", 2)
    real, chunks = bulk.change_chunk, []

    def change(*args):
        chunks.append(args)
        if len(chunks) == 2:
            raise OperationalError
        return real(*args)

    monkeypatch.setattr(bulk, "change_chunk", change)
    users = [UserFactory() for _ in range(5)]
    assert act(admin, "deactivate", *users) == [
        "2 users deactivated.",
        "Nothing was done to 3 users yet. Do it again.",
    ]
    assert User.objects.filter(is_active=False).count() == 2
    assert (audits()[-1].users, audits()[-1].unfinished) == (2, 3)
    assert "3 users deactivated." in act(admin, "deactivate", *users)


def test_a_database_that_does_not_answer_is_a_page(admin, monkeypatch):
    def fail(*args):
        raise OperationalError

    monkeypatch.setattr(bulk, "change_chunk", fail)
    admin.raise_request_exception = False
    response = ask(admin, "deactivate", UserFactory(), confirmed="yes")
    assert response.status_code == 503
    assert response["Content-Type"].startswith("text/html")


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
        {"_selected_action": "9" * 5000, "action": "deactivate"},
        {"_selected_action": "abc", "action": "deactivate", "of_page": "1"},
        {"action": "deactivate", "index": "0"},
        {"_selected_action": str(EPOCH), "action": "deactivate"},
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
