"""The refresh cookie: what it carries, and what else may write one (COOK-01 to -08)."""

import pytest

from deploy.tests.client import (
    LOGOUT,
    LOGOUT_ALL,
    ME,
    REFRESH,
    SESSIONS,
    cookies_of,
    refused,
)


def attributes(line: str) -> dict[str, str]:
    pairs = [part.strip().partition("=") for part in line.split(";")[1:]]
    return {name.lower(): value for name, _, value in pairs}


def test_the_cookie_is_for_one_place_and_no_script(target, user):
    """COOK-01: at login, at refresh, and when it is cleared (COOK-03)."""
    responses = [user.log_in(), user.refresh(), user.log_out()]
    for response in responses:
        for line in response.all("Set-Cookie"):
            found, device = attributes(line), "device=" in line
            assert found["path"] == ("/" if device else "/api/v1/auth")
            assert found["samesite"] == "Strict"
            assert "httponly" in found
            assert "domain" not in found
            assert len(line.partition(";")[0]) < 4096
            assert ("secure" in found) == line.startswith("__Secure-") == target.tls
        assert cookies_of(response)
    assert attributes(responses[-1].one("Set-Cookie"))["max-age"] == "0"
    assert set(cookies_of(responses[-1]).values()) == {""}


@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
@pytest.mark.parametrize(
    "toss",
    [
        pytest.param("{name}={own}; {name}={victims}", id="after"),
        pytest.param("{name}={victims}; {name}={own}", id="before"),
        pytest.param("{name}={own}; {name}={own}", id="the same twice"),
        pytest.param("c=x; " * 600 + "{name}={own}; {name}=x", id="after hundreds"),
    ],
)
def test_a_tossed_cookie_is_not_chosen_between(target, mallory, victim, path, toss):
    """COOK-08: a page of a sibling domain can add one, and choose which comes first."""
    names = {"name": mallory.cookie_name, "own": mallory.cookie}
    header = {"Cookie": toss.format(**names, victims=victim.cookie)}
    response = target.ask("POST", path, header)
    refused(response, 401, "token_invalid")
    assert not response.all("Set-Cookie"), "then the other one is alone"
    assert mallory.profile()
    assert victim.profile()


def test_cookies_that_fill_all_buffers_of_the_gateway_are_answered(target):
    """Nginx reads headers into 1 KiB and four times 8, and joins cookies into one."""
    cookies = [("Cookie", "c=" + "x" * size) for size in (850, *4 * [8100])]
    refused(target.ask("POST", REFRESH, cookies), 401, "token_missing")


def test_the_cookie_opens_no_route_of_the_api(target, mallory):
    """COOK-07: otherwise every route would have to know which page sends a request.
    Nor does a bearer token stand in for the cookie."""
    for method, path in (("GET", ME), ("GET", SESSIONS), ("POST", LOGOUT_ALL)):
        body = {} if method == "POST" else None
        response = target.ask(method, path, mallory.cookie_header(), json_body=body)
        refused(response, 401, "token_missing")
    for token in (mallory.access, mallory.cookie):
        headers = {"Authorization": f"Bearer {token}"}
        refused(target.ask("POST", REFRESH, headers), 401, "token_missing")
