"""What a user recognises a session by."""

import time

import pytest

from shared.devices import device
from tokens.models import Session
from tokens.serializers import UserSessionSerializer

APPLE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"


@pytest.mark.parametrize(
    ("user_agent", "shown"),
    [
        (f"{APPLE} Version/17.5 Mobile/15E148 Safari/604.1", "Mobile Safari on iOS"),
        ("curl/8.5.0", "curl"),
        *((text, "Unknown device") for text in ("", "x" * 256, "(" * 256, " " * 256)),
        ("a;" * 128, "Unknown device"),
        (("Mozilla/5.0 (Linux; Android " * 256)[:256], "Android"),
    ],
)
def test_a_user_agent_names_a_device_at_once(user_agent, shown):
    """A client chooses it; 256 characters of it are kept."""
    device("compiled by now")
    started = time.monotonic()

    assert device(user_agent).startswith(shown)
    assert time.monotonic() - started < 0.1


@pytest.mark.parametrize(
    ("ip", "shown"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        (None, None),
    ],
)
def test_of_an_address_the_network_is_shown(ip, shown):
    assert UserSessionSerializer().get_ip(Session(ip=ip)) == shown
