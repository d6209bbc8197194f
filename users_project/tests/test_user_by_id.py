import uuid
from typing import Any

import pytest

from tests.factories import EPOCH, UserFactory
from tests.refusals import assert_refused
from tests.test_registration import MEMBERS

pytestmark = pytest.mark.django_db


def url(user_id: object) -> str:
    return f"/api/v1/users/{user_id}"


def test_the_auth_service_is_told_the_epoch(service_client: Any) -> None:
    user = UserFactory(roles=["editor"])
    response = service_client("auth").get(url(user.pk))
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == MEMBERS | {"session_epoch", "kept_sid", "kept_from"}
    assert (answer["id"], answer["session_epoch"]) == (str(user.pk), EPOCH)
    assert answer["roles"] == ["editor"]


def test_other_services_are_not(service_client: Any) -> None:
    user = UserFactory()
    answer = service_client("billing").get(url(user.pk)).json()
    assert answer.keys() == MEMBERS


@pytest.mark.parametrize("act", ["deactivate", "soft_delete", None])
def test_who_is_not_present_looks_unknown(service_client: Any, act: str | None) -> None:
    user = UserFactory()
    if act:
        getattr(user, act)()
    response = service_client("auth").get(url(user.pk if act else uuid.uuid4()))
    problem = assert_refused(response, 404, "user_not_found")
    assert problem["detail"] == "There is no such user."


@pytest.mark.parametrize("headers", [{}, {"X-Internal-Api-Key": "wrong"}], ids=repr)
def test_a_key_is_needed(api_client: Any, headers: dict[str, str]) -> None:
    response = api_client.get(url(UserFactory().pk), headers=headers)
    assert_refused(response, 401, "service_auth_failed")


def test_a_token_shows_nobody_else(bearer: Any) -> None:
    user, other = UserFactory(), UserFactory()
    for user_id in (other.pk, user.pk):
        response = bearer(sub=str(user.pk)).get(url(user_id))
        assert_refused(response, 401, "service_auth_failed")


@pytest.mark.parametrize("text", ["abc", "1", "..", "%00", "me2", "a" * 300])
def test_what_is_no_id_is_nothing(service_client: Any, text: str) -> None:
    assert_refused(service_client("auth").get(url(text)), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("docs", 200),
        ("openapi.json", 200),
        ("health/live", 200),
        ("health/ready", 200),
        ("me", 401),
        ("verify", 405),
    ],
)
def test_other_routes_are_not_taken_for_ids(
    service_client: Any, path: str, status: int
) -> None:
    client = service_client("auth")
    assert client.get(url(path)).status_code == status
    assert client.get(url(path) + "/").status_code == status
