"""A client of one's own, as docs/integration.md has it."""

import uuid

import pytest

from shared.api.exceptions import DependencyUnavailable
from shared.clients import ServiceClient, ServiceRefused

KEY = "a-key-of-ours"


class NotesClient(ServiceClient):
    def count(self, user_id):
        path = f"/api/v1/notes/of/{user_id}"
        return int(self.call("GET", path, "count")["count"])


@pytest.fixture
def notes(stub):
    return NotesClient(stub.url, KEY)


def test_five_lines_are_a_client(notes, stub):
    stub.answer(200, {"count": 3})
    user_id = uuid.uuid4()

    assert notes.count(user_id) == 3

    (sent,) = stub.requests
    assert (sent["method"], sent["path"]) == ("GET", f"/api/v1/notes/of/{user_id}")
    assert sent["headers"]["X-Internal-Api-Key"] == KEY


def test_a_refusal_is_told_by_its_code(notes, stub):
    stub.answer(404, {"code": "not_found"})

    with pytest.raises(ServiceRefused) as caught:
        notes.count(uuid.uuid4())
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"somebody": "else"}),
        (302, {}),
        (401, {"code": "service_auth_failed"}),
        (404, {"detail": "of a proxy"}),
        (500, {"code": "internal_error"}),
    ],
)
def test_anything_else_is_a_503(notes, stub, status, answer):
    stub.answer(status, answer)

    with pytest.raises(DependencyUnavailable):
        notes.count(uuid.uuid4())
