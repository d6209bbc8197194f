"""API keys between the services: what their rotation must never do (S2S-01)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.tests.api_keys import SEEN, Direction, assert_rotated, rotation
from deploy.tests.stack import SERVICES, System


@contextmanager
def damaged(direction: Direction, text: str) -> Iterator[None]:
    """With a list of keys that somebody has spoilt, for as long as it is looked at."""
    path = direction.system.state / "secrets" / f"{direction.callee}_internal_api_keys"
    right = path.read_text()
    path.write_text(text)
    try:
        time.sleep(SEEN)
        yield
    finally:
        path.write_text(right)


def test_no_key_is_in_a_log(both: list[Direction], healthy: System) -> None:
    """Nor one that is refused, or that its file gives wrongly (LOG-01)."""
    for each in both:
        each.call("canary-key-" * 4)
        with damaged(each, "canary-key"):
            assert each.takes(each.presented)
    logs = [healthy.log(name) for name in (*SERVICES, "gateway")]
    assert any("internal_api_keys failed: " in log for log in logs)
    for each in both:
        assert not [log for log in logs if each.presented in log]
    assert not [log for log in logs if "canary-key" in log]


def test_a_service_that_stands_still_is_not_passed_over(
    both: list[Direction], healthy: System
) -> None:
    to_users, _ = both
    old = to_users.presented
    with healthy.paused("users"):
        output, _ = (command := rotation(healthy, "auth", "users")).communicate()
        assert command.returncode == 1
    assert "users does not answer" in output
    assert to_users.accepted[0] == to_users.presented == old
    assert to_users.witness.log_in().ok
    healthy.run("rotateapikeys", "auth", "users")
    assert_rotated([to_users], [old])
    assert to_users.witness.log_in().ok
