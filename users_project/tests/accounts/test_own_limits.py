"""How often a user changes the profile, or takes an export."""

import pytest

from tests.accounts.test_export import stored
from tests.factories import UserFactory
from tests.guesses import statuses

pytestmark = pytest.mark.usefixtures("documented", "ada")
PATCH, EXPORT = ("patch", "", {"locale": "de"}), ("get", "/export")


@pytest.fixture
def ask(bearer, auth_service):
    """The answer to a user; `status` is that of the Auth Service."""

    def ask(user, method, path, *body, status=200):
        stored(auth_service, user)
        empty = {"sessions": [], "next": None}
        auth_service.answer("GET", f"users/{user.pk}/stored_sessions", empty, status)
        me = bearer(sub=str(user.pk))
        return getattr(me, method)(f"/api/v1/users/me{path}", *body)

    return ask


@pytest.mark.parametrize(
    ("act", "most", "seconds"), [(PATCH, 30, 3600), (EXPORT, 5, 86400)]
)
def test_a_user_does_it_so_often_in_all_sessions(
    ada, ask, pass_time, act, most, seconds
):
    answers = [ask(ada, *act) for _ in range(most + 1)]
    assert statuses(answers) == [200] * most + [429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert seconds - 20 <= int(answers[-1]["Retry-After"]) <= seconds
    assert ask(UserFactory(), *act).status_code == 200
    pass_time(seconds + 1)
    assert ask(ada, *act).status_code == 200


def test_a_change_that_fails_costs_nothing(ada, ask, limited):
    limited(PROFILE_LIMIT_USER="1/hour")
    for _ in range(2):
        assert ask(ada, "patch", "", {"locale": "?"}).status_code == 400
    assert ask(ada, *PATCH).status_code == 200


def test_an_export_that_auth_may_still_work_on_counts(ada, ask, limited):
    limited(EXPORT_LIMIT_USER="1/hour")
    assert ask(ada, *EXPORT, status=503).status_code == 503
    assert ask(ada, *EXPORT).status_code == 429
