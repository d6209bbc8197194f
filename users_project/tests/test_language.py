"""The language of a user's mails."""

import pytest

from tests.factories import UserFactory
from users.models import User

URL = "/api/v1/users/me"


def test_users_change_it_themselves(bearer, audits):
    user = UserFactory()
    client = bearer(sub=str(user.pk))
    assert client.get(URL).json()["locale"] == "en"
    answer = client.patch(URL, {"locale": "de"})
    assert (answer.status_code, answer.json()["locale"]) == (200, "de")
    assert User.objects.get().locale == "de"
    assert audits("event", "fields") == [("user_updated", ["locale"])]


@pytest.mark.parametrize("locale", ["fr", "", None, "DE"])
def test_another_language_is_refused(bearer, locale):
    user = UserFactory()
    answer = bearer(sub=str(user.pk)).patch(URL, {"locale": locale})
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {"locale"}
    assert User.objects.get().locale == "en"
