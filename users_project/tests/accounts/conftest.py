"""Flows of links: what they are asked for, mailed and used with."""

import pytest

from tests.factories import PASSWORD, UserFactory
from users.accounts import links
from users.accounts.models import Link
from users.mail.models import Mail

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
def moved(ada, ask_change, post, token):
    """Ada, who has another address now."""
    assert ask_change().status_code == 202
    body = {"token": token("change_email"), "password": PASSWORD}
    assert post("/change_email/confirm", **body).status_code == 204
    ada.refresh_from_db()
    return ada
