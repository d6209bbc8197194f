import pytest

from tests.factories import UserFactory
from tests.refusals import assert_refused
from tests.test_registration import MEMBERS

pytestmark = pytest.mark.django_db

URL = "/api/v1/users/me"


def test_a_token_gets_its_own_user(bearer):
    user = UserFactory(display_name="Ada", roles=["writer", "editor"])
    UserFactory()
    response = bearer(sub=str(user.pk)).get(URL)
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == MEMBERS
    assert (answer["id"], answer["display_name"]) == (str(user.pk), "Ada")
    assert answer["roles"] == ["editor", "writer"]


def test_the_answer_is_what_is_true_now_and_not_in_the_token(bearer):
    user = UserFactory(username="now", roles=["now"])
    client = bearer(sub=str(user.pk), username="then", roles=["then"])
    answer = client.get(URL).json()
    assert (answer["username"], answer["roles"]) == ("now", ["now"])


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
def test_a_bad_token_is_refused(bearer, token, code):
    user = UserFactory()
    assert_refused(bearer(sub=str(user.pk), **token).get(URL), 401, code)
