"""Flows of links: what they are asked for, mailed and used with."""

import json

import pytest
import responses
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from tests.accounts.personal_data import marked_user
from tests.factories import PASSWORD, UserFactory
from users.accounts import links
from users.accounts.models import Link
from users.mail.models import Mail
from users.models import User

ADDRESS, OTHER = "ada@example.org", "ada@example.com"
BASE = "/api/v1/users"


@pytest.fixture
def required(settings):
    settings.EMAIL_VERIFICATION = "required"


@pytest.fixture
def post(api_client):
    """Calls post a body to a route of users, without a token or by this client."""
    return lambda path, client=api_client, **body: client.post(f"{BASE}{path}", body)


@pytest.fixture
def mailed(run_jobs):
    """Calls run all jobs; the kind and the address of each mail since the last call."""
    seen = []

    def new():
        run_jobs()
        mails = list(Mail.objects.exclude(pk__in=seen).order_by("pk"))
        seen.extend(mail.pk for mail in mails)
        return [(mail.kind, mail.address) for mail in mails]

    return new


@pytest.fixture
def token(run_jobs):
    """Calls run all jobs; the token of the newest link of a purpose."""

    def newest(purpose):
        run_jobs()
        return links.token_of(Link.objects.filter(purpose=purpose).latest("created_at"))

    return newest


@pytest.fixture
def ada():
    """A user whose address was never verified."""
    return UserFactory(email=ADDRESS, username="ada")


@pytest.fixture
def verified(ada):
    User.objects.filter(pk=ada.pk).update(email_verified_at=timezone.now())


@pytest.fixture
def session(bearer, ada):
    """Ada's own."""
    return bearer(sub=str(ada.pk))


@pytest.fixture
def ask_change(post, session):
    """Ada asks for another address."""

    def ask(new_email=OTHER, current_password=PASSWORD):
        body = {"new_email": new_email, "current_password": current_password}
        return post("/me/change_email", session, **body)

    return ask


@pytest.fixture
def change(ask_change, post, token):
    """Ada asks for another address, and confirms it."""

    def to(new_email):
        assert ask_change(new_email).status_code == 202
        body = {"token": token("change_email"), "password": PASSWORD}
        assert post("/change_email/confirm", **body).status_code == 204

    return to


@pytest.fixture
def moved(ada, change):
    """Ada, who has another address now."""
    change(OTHER)
    ada.refresh_from_db()
    return ada


# Deletion


@pytest.fixture
def marked():
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

    def found(task):
        waiting = ProcrastinateJob.objects.filter(task_name=task, status="todo")
        return list(waiting.order_by("id").values_list("args", flat=True))

    return found


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
