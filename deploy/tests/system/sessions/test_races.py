"""Many requests at once, through the gateway: what must happen once happens once."""

import time
from collections import Counter
from functools import partial

from deploy.tests.client import (
    Response,
    at_once,
    claims_of,
    code_of,
    cookie_of,
    is_revoked,
)


def test_fifty_refreshes_of_one_cookie_get_one_successor(user, system):
    first = user.cookie
    answers = at_once([partial(user.refresh, first)] * 50)

    assert Counter(a.status_code for a in answers) == {200: 50}
    successors = {cookie_of(a) for a in answers} - {None}
    assert len(successors) == 1
    successor = successors.pop()
    assert claims_of(successor)["jti"] != claims_of(first)["jti"]
    assert all(user.me(a.json()["access_token"]).ok for a in answers[:5])
    assert user.refresh(successor).status_code == 200
    rows = "SELECT count(*) FROM tokens_session WHERE user_id = %s"
    assert system.query("auth", rows, claims_of(first)["sub"]) == [(1,)]


def test_refresh_against_logout_leaves_nothing_usable(user):
    won: Counter[str] = Counter()
    # A refresh asks the User Service first, so it gets a head start, which follows what
    # happens: neither side wins always, however fast the machine.
    head_start = 0.015

    def log_out() -> Response:
        time.sleep(head_start)
        return user.log_out()

    while won.total() < 24 or min(won["refresh"], won["logout"]) < 6:
        user.log_in()
        refreshed, left = at_once([partial(user.refresh, user.cookie), log_out])
        assert left.status_code == 200
        won["refresh" if refreshed.ok else "logout"] += 1
        assert won.total() < 60, won
        head_start *= 0.85 if refreshed.ok else 1.2
        assert is_revoked(user)
        if refreshed.ok:
            successor = cookie_of(refreshed)
            assert successor
            assert code_of(user.refresh(successor)) == "token_revoked"
            user.access = refreshed.json()["access_token"]
            assert is_revoked(user)
        else:
            assert code_of(refreshed) == "token_revoked"
