"""No answer, and no work that it takes, says whether an address has an account."""

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

    def measure(path, *client, **body):
        with CaptureQueriesContext(connection) as captured:
            answer = post(path, *client, **body)
        texts = [query["sql"] for query in captured.captured_queries]
        shapes = [re.sub(r"'[^']*'|\d+", "?", text) for text in texts]
        sql = [text for text in shapes if not SAVEPOINTS.match(text)]
        return SimpleNamespace(answer=answer, sql=sql)

    return measure


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.verify)])
def test_known_and_unknown_addresses_are_alike(cost, hashes, path, count):
    """In status, bytes, headers and statements, of which there are two; and no password
    is hashed."""
    known = [UserFactory(email=f"known{n}@example.org").email for n in range(3)]
    UserFactory(email="gone@example.org").soft_delete()
    UserFactory(email="inactive@example.org", is_active=False)
    known += ["gone@example.org", "inactive@example.org"] * (count // 2)
    unknown = [f"unknown{n}@example.org" for n in range(count)]
    seen = set()
    for number, address in enumerate(known[:count] + unknown):
        names = {} if path else {"username": f"new{number}"}
        found = cost(path, email=address, **names)
        assert (found.answer.status_code, found.answer.json()) == (202, ACCEPTED)
        headers = dict(found.answer.items())
        headers.pop("X-Request-ID", None)
        seen.add((found.answer.content, str(headers), *found.sql))
    [(_content, _headers, *sql)] = seen
    assert (len(sql), hashes) == (2, [])


def test_a_taken_new_address_is_answered_by_the_same_statements(cost, session):
    UserFactory(email="taken@example.org")
    shapes = set()
    for address in ("taken@example.org", "free@example.org"):
        body = {"new_email": address, "current_password": PASSWORD}
        found = cost("/me/change_email", session, **body)
        shapes.add((found.answer.status_code, *found.sql))
    assert len(shapes) == 1
    assert not Link.objects.exists()


@pytest.mark.parametrize(("verified", "statements"), [(True, 8), (False, 15)])
def test_a_reset_is_eight_statements_after_its_hash(
    ada, cost, hashes, monkeypatch, verified, statements
):
    """The link is found before, the password checked and hashed. Seven more where the
    address was never verified: second factors go, with all that belongs to them."""
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
