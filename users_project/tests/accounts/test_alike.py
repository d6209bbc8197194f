"""Whether an address has an account is told by no answer, and by none of the work."""

import re
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.accounts.conftest import ADDRESS
from tests.factories import NEW, PASSWORD, UserFactory
from users.accounts import links
from users.accounts.models import Link
from users.accounts.serializers import ACCEPTED
from users.models import User

SAVEPOINTS = re.compile("SAVEPOINT|RELEASE")
ROUTES = ["", "/verify_email/resend", "/password_reset"]


@pytest.fixture
def cost(post):
    """The answer to a body, and its statements without their values."""

    def measure(path, **body):
        with CaptureQueriesContext(connection) as captured:
            answer = post(path, **body)
        texts = [query["sql"] for query in captured.captured_queries]
        shapes = [re.sub(r"'[^']*'|\d+", "?", text) for text in texts]
        sql = [text for text in shapes if not SAVEPOINTS.match(text)]
        return SimpleNamespace(answer=answer, sql=sql)

    return measure


def body_of(path, address, number):
    return {"email": address} | ({} if path else {"username": f"new{number}"})


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.verify)])
def test_known_and_unknown_addresses_are_alike(cost, path, count):
    """In status, bytes, headers and statements."""
    known = [UserFactory(email=f"known{n}@example.org").email for n in range(3)]
    UserFactory(email="gone@example.org").soft_delete()
    UserFactory(email="inactive@example.org", is_active=False)
    known += ["gone@example.org", "inactive@example.org"] * (count // 2)
    unknown = [f"unknown{n}@example.org" for n in range(count)]
    seen = set()
    for number, address in enumerate(known[:count] + unknown):
        found = cost(path, **body_of(path, address, number))
        headers = dict(found.answer.items())
        headers.pop("X-Request-ID", None)
        seen.add(
            (
                found.answer.status_code,
                found.answer.content,
                str(headers),
                tuple(found.sql),
            )
        )
    [(status, *_)] = seen
    assert status == 202


@pytest.mark.usefixtures("required")
def test_all_three_have_the_same_body(post):
    answers = [post(path, **body_of(path, ADDRESS, 1)) for path in ROUTES]
    assert [each.json() for each in answers] == [ACCEPTED] * 3
    assert len({each.content for each in answers}) == 1


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("path", ROUTES)
def test_asking_is_two_statements_and_no_hash(cost, hashes, path):
    for address in (UserFactory().email, "unknown@example.org"):
        assert len(cost(path, **body_of(path, address, 1)).sql) == 2
    assert hashes == []


@pytest.mark.parametrize(("verified", "statements"), [(True, 8), (False, 13)])
def test_a_reset_is_eight_statements_after_its_hash(
    ada, cost, hashes, monkeypatch, verified, statements
):
    """The link is found before, and the password is checked and hashed. Five more where
    the address was never verified: a change of it that waits goes, and second factors
    with all that belongs to them."""
    if verified:
        User.objects.update(email_verified_at=timezone.now())
    link, take, hashed = links.issue("reset", address=ADDRESS, user=ada), links.take, []

    def take_after(link):
        hashed.append(len(hashes))
        return take(link)

    monkeypatch.setattr(links, "take", take_after)
    body = {"token": links.token_of(link), "new_password": NEW}
    found = cost("/password_reset/confirm", **body)
    assert found.answer.status_code == 204
    assert hashed == [len(hashes)] == [1]
    outside, *inside = found.sql
    assert outside.startswith("SELECT")
    assert len(inside) == statements


def test_a_taken_new_address_is_answered_by_the_same_statements(session):
    UserFactory(email="taken@example.org")
    shapes = set()
    for address in ("taken@example.org", "free@example.org"):
        body = {"new_email": address, "current_password": PASSWORD}
        with CaptureQueriesContext(connection) as captured:
            answer = session.post("/api/v1/users/me/change_email", body)
        texts = [query["sql"] for query in captured.captured_queries]
        shapes.add(
            (answer.status_code, *(re.sub(r"'[^']*'|\d+", "?", t) for t in texts))
        )
    assert len(shapes) == 1
    assert not Link.objects.exists()
