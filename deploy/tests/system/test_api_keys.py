"""API keys between the services: what their rotation must never do (S2S-01)."""

import time
from contextlib import ExitStack

from deploy.tests.api_keys import SEEN, Direction, rotation
from deploy.tests.stack import SERVICES, System, as_it_was


def list_of(direction: Direction) -> str:
    return f"{direction.callee}_internal_api_keys"


def test_no_key_is_in_a_log(both: list[Direction], healthy: System) -> None:
    """Nor one that is refused, or that its file gives wrongly (LOG-01)."""
    with ExitStack() as damaged:
        for each in both:
            each.call("canary-key-" * 4)
            path = healthy.state / "secrets" / list_of(each)
            damaged.enter_context(as_it_was(path, "canary-key"))
        time.sleep(SEEN)
        assert all(each.takes(each.presented) for each in both)
    logs = [healthy.log(name) for name in (*SERVICES, "gateway")]
    assert any("internal_api_keys failed: " in log for log in logs)
    for key in ("canary-key", *(each.presented for each in both)):
        assert not [log for log in logs if key in log]


def test_a_rotation_passes_over_no_service_that_hangs(
    both: list[Direction], healthy: System
) -> None:
    """Both keys stay accepted. That it is run again, test_rotations.py shows."""
    to_users, _ = both
    old = to_users.presented
    before = healthy.state / "secrets" / list_of(to_users)
    with as_it_was(before):
        with healthy.paused("users"):
            output, _ = (command := rotation(healthy, "auth", "users")).communicate()
            assert command.returncode == 1
        assert "users does not answer" in output
        assert len(to_users.accepted) == 2
        assert to_users.accepted[0] == to_users.presented == old
        assert to_users.witness.log_in().ok
    assert to_users.accepted == [old]
