"""The language of a user's mails."""

import pytest
from django.test import RequestFactory

from tests.factories import UserFactory
from users.language import locale_of
from users.models import User

URL = "/api/v1/users/me"


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [
        ("de", "de"),
        ("de-AT,en;q=0.5", "de"),
        ("fr-FR, de;q=0.7, en;q=0.8", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("", "en"),
        ("de;q=0", "en"),
        ("../../etc/passwd", "en"),
        ("d" * 5000, "en"),
        (None, "en"),
    ],
)
def test_a_request_says_its_language(accepted, locale):
    headers = {} if accepted is None else {"Accept-Language": accepted}
    assert locale_of(RequestFactory().get("/", headers=headers)) == locale


def test_users_change_it_themselves(bearer, audits):
    user = UserFactory()
    client = bearer(sub=str(user.pk))
    assert client.get(URL).json()["locale"] == "en"
    answer = client.patch(URL, {"locale": "de"})
    assert (answer.status_code, answer.json()["locale"]) == (200, "de")
    assert User.objects.get().locale == "de"
    assert audits("event", "fields") == [("user_updated", ["locale"])]


@pytest.mark.parametrize("locale", ["fr", "", None, "DE", 1, ["de"], "de\x00"])
def test_another_language_is_refused(bearer, locale):
    user = UserFactory()
    answer = bearer(sub=str(user.pk)).patch(URL, {"locale": locale})
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {"locale"}
    assert User.objects.get().locale == "en"
