"""An emergency with a signing key takes hold within two seconds, without a restart. How
keys are rotated without one is in test_rotations.py."""

import time

from deploy.tests.client import Response, TestUser, code_of
from deploy.tests.signing_keys import SEEN, kid_of, published
from deploy.tests.stack import wait_until


def works(user: TestUser) -> bool:
    return user.me().ok and user.verify().ok


def test_what_a_revoked_key_signed_is_refused_within_two_seconds(system, user, one_key):
    """TOK-18."""
    assert works(user)
    other = TestUser(system, user.name)
    before = {name: each["pids"] for name, each in system.status()["processes"].items()}

    system.run("keys", "revoke", one_key)
    revoked = time.monotonic()

    # A login that comes now succeeds, and lasts.
    assert other.log_in().ok
    assert kid_of(other.access) != one_key
    assert works(other)
    left = revoked + SEEN - time.monotonic()
    wait_until(lambda: refused(user), left, "refusal of what it signed")
    until = time.monotonic() + SEEN
    while time.monotonic() < until:
        assert refused(user)
        assert works(other)
    assert code_of(user.refresh()) == "token_invalid"
    assert published(system) == {kid_of(other.access)}
    assert user.log_in().ok
    assert works(user)
    after = {name: each["pids"] for name, each in system.status()["processes"].items()}
    assert after == before


def refused(user: TestUser) -> bool:
    """By every worker, at both doors."""
    return all(is_refusal(ask()) for _ in range(4) for ask in (user.me, user.verify))


def is_refusal(answer: Response) -> bool:
    assert answer.status_code in (200, 401), answer.text
    return not answer.ok and code_of(answer) == "token_invalid"
