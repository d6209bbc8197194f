import pytest

from tests.factories import EPOCH, UserFactory
from tests.refusals import assert_refused
from tests.test_registration import MEMBERS

pytestmark = pytest.mark.django_db


def url(user_id):
    return f"/api/v1/users/{user_id}"


def test_the_auth_service_is_told_the_epoch(service_client):
    user = UserFactory(roles=["editor"])
    response = service_client("auth").get(url(user.pk))
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == MEMBERS | {"session_epoch", "kept_sid", "kept_from"}
    assert (answer["id"], answer["session_epoch"]) == (str(user.pk), EPOCH)
    assert answer["roles"] == ["editor"]


def test_other_services_are_not(service_client):
    user = UserFactory()
    answer = service_client("billing").get(url(user.pk)).json()
    assert answer.keys() == MEMBERS


@pytest.mark.parametrize("text", ["abc", "1", "..", "%00", "me2", "a" * 300])
def test_what_is_no_id_is_nothing(service_client, text):
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
def test_other_routes_are_not_taken_for_ids(service_client, path, status):
    client = service_client("auth")
    assert client.get(url(path)).status_code == status
    assert client.get(url(path) + "/").status_code == status
