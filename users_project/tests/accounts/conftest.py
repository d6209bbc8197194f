import json

import pytest
import responses

from tests.accounts.personal_data import marked_user
from users.accounts import links
from users.accounts.models import Link, Purpose


@pytest.fixture
def ada():
    """A user whose time has come, with a mark in every table."""
    return marked_user()


@pytest.fixture
def erasures(settings, tmp_path):
    """The file of erasures."""
    settings.ERASURES_FILE = tmp_path / "erasures" / "users.log"
    settings.ERASURES_FILE.parent.mkdir()
    return settings.ERASURES_FILE


@pytest.fixture
def jobs():
    """Calls return the arguments of the jobs of a task that wait."""
    from procrastinate.contrib.django.models import ProcrastinateJob

    def found(task):
        waiting = ProcrastinateJob.objects.filter(task_name=task, status="todo")
        return list(waiting.order_by("id").values_list("args", flat=True))

    return found


@pytest.fixture
def restore_token():
    """The token of the newest link that restores this user."""

    def token(user):
        sent = Link.objects.filter(user=user, purpose=Purpose.RESTORE)
        return links.token_of(sent.latest("created_at"))

    return token


@pytest.fixture
def auth_service(settings):
    """The Auth Service: what it answers about a user, and what it was asked."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:

        def answer(method, path, body=None, status=200):
            url = f"{settings.AUTH_SERVICE_URL}/api/v1/auth/{path}"
            mock.upsert(method, url, body=json.dumps(body), status=status)

        answer("POST", "sessions/revoke", {"revoked": 1})
        mock.answer = answer
        yield mock
