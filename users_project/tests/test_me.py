import uuid
from typing import Any

import pytest

from tests.factories import UserFactory
from tests.refusals import assert_refused
from tests.test_registration import MEMBERS

pytestmark = pytest.mark.django_db

URL = "/api/v1/users/me"


def test_a_token_gets_its_own_user(bearer: Any) -> None:
    user = UserFactory(display_name="Ada", roles=["writer", "editor"])
    UserFactory()
    response = bearer(sub=str(user.pk)).get(URL)
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == MEMBERS
    assert (answer["id"], answer["display_name"]) == (str(user.pk), "Ada")
    assert answer["roles"] == ["editor", "writer"]


def test_the_answer_is_what_is_true_now_and_not_in_the_token(bearer: Any) -> None:
    user = UserFactory(username="now", roles=["now"])
    client = bearer(sub=str(user.pk), username="then", roles=["then"])
    answer = client.get(URL).json()
    assert (answer["username"], answer["roles"]) == ("now", ["now"])


@pytest.mark.parametrize("act", ["deactivate", "soft_delete", None])
def test_a_user_who_is_gone_has_no_session(bearer: Any, act: str | None) -> None:
    user = UserFactory()
    client = bearer(sub=str(user.pk if act else uuid.uuid4()))
    if act:
        getattr(user, act)()
    response = client.get(URL)
    assert_refused(response, 401, "token_revoked")
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_without_a_token_there_is_nobody(api_client: Any) -> None:
    response = api_client.get(URL)
    assert_refused(response, 401, "token_missing")
    assert "error" not in response["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ({"exp": 1000}, "token_expired"),
        ({"token_type": "refresh"}, "token_invalid"),
        ({"aud": "another"}, "token_invalid"),
        ({"session": "revoked"}, "token_revoked"),
    ],
    ids=lambda value: str(value),
)
def test_a_bad_token_is_refused(bearer: Any, token: Any, code: str) -> None:
    user = UserFactory()
    assert_refused(bearer(sub=str(user.pk), **token).get(URL), 401, code)


def test_an_api_key_is_no_user(service_client: Any) -> None:
    assert_refused(service_client("auth").get(URL), 401, "token_missing")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_refused(bearer: Any, method: str) -> None:
    user = UserFactory()
    response = getattr(bearer(sub=str(user.pk)), method)(URL)
    assert_refused(response, 405, "method_not_allowed")
