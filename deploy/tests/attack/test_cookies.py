"""The refresh cookie: what it carries, and who else may write one (COOK-01 to -08)."""

import pytest

from deploy.tests.attack.account import (
    LOGOUT,
    ME,
    REFRESH,
    SESSIONS,
    Account,
    cookies_of,
)
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import refused


def attributes(line: str) -> dict[str, str]:
    pairs = [part.strip().partition("=") for part in line.split(";")[1:]]
    return {name.lower(): value for name, _, value in pairs}


def test_the_cookie_is_for_one_place_and_no_script(
    target: Target, somebody: Account
) -> None:
    """COOK-01: at log-in, at refresh, and when it is cleared (COOK-03)."""
    answers = [somebody.log_in(), somebody.refresh()]
    answers.append(target.ask("POST", LOGOUT, somebody.cookie_header()))
    for answer in answers:
        line = answer.one("Set-Cookie")
        found = attributes(line)
        assert found["path"] == "/api/v1/auth"
        assert found["samesite"] == "Strict"
        assert "httponly" in found
        assert "domain" not in found
        assert len(line.partition(";")[0]) < 4096
        assert ("secure" in found) == line.startswith("__Secure-") == target.tls
    assert attributes(answers[-1].one("Set-Cookie"))["max-age"] == "0"
    assert set(cookies_of(answers[-1]).values()) == {""}


@pytest.mark.parametrize(
    "toss",
    [
        pytest.param("{name}={own}; {name}={victims}", id="after"),
        pytest.param("{name}={victims}; {name}={own}", id="before"),
        pytest.param("{name}={own}; {name}={own}", id="the same twice"),
        pytest.param("{name}={own}; {name}=", id="and an empty one"),
        pytest.param("{name}={own};{name}={victims}", id="without a space"),
        pytest.param("{name}={own} ; {name}={victims}", id="with more space"),
    ],
)
@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
def test_a_tossed_cookie_is_not_chosen_between(
    target: Target, mallory: Account, victim: Account, path: str, toss: str
) -> None:
    """COOK-08: a page of a sibling domain can add one, and say which comes first."""
    names = {"name": mallory.cookie_name, "own": mallory.cookie}
    header = {"Cookie": toss.format(**names, victims=victim.cookie)}
    refused(target.ask("POST", path, header), 401, "token_invalid")
    assert mallory.me()
    assert victim.me()


def test_two_cookie_headers_are_like_one(
    target: Target, mallory: Account, victim: Account
) -> None:
    pairs = [
        ("Cookie", f"{account.cookie_name}={account.cookie}")
        for account in (mallory, victim)
    ]
    refused(target.ask("POST", REFRESH, pairs), 401, "token_invalid")


@pytest.mark.parametrize(
    "spell",
    ["{name}x={value}", "x{name}={value}", "{upper}={value}", "{name} ={value}"],
)
def test_a_cookie_of_another_name_is_none(
    target: Target, mallory: Account, spell: str
) -> None:
    name = mallory.cookie_name
    text = spell.format(name=name, upper=name.upper(), value=mallory.cookie)
    answer = target.ask("POST", REFRESH, {"Cookie": text})
    refused(answer, 401, "token_missing")


def test_a_bearer_token_stands_in_for_no_cookie(
    target: Target, mallory: Account
) -> None:
    """COOK-07."""
    for token in (mallory.access, mallory.cookie):
        header = {"Authorization": f"Bearer {token}"}
        refused(target.ask("POST", REFRESH, header), 401, "token_missing")


def test_the_cookie_opens_no_route_of_the_api(target: Target, mallory: Account) -> None:
    """COOK-07: or every one of them would need to know whose page asks."""
    header = mallory.cookie_header()
    for method, path in (("GET", ME), ("GET", SESSIONS), ("PATCH", ME)):
        answer = target.ask(
            method, path, header, value={} if method == "PATCH" else None
        )
        refused(answer, 401, "token_missing")
    answer = target.ask("POST", "/api/v1/auth/logout_all", header, value={})
    refused(answer, 401, "token_missing")


@pytest.mark.parametrize(
    "value",
    ["x", "a.b.c", "x" * 6000, '"', "%00", "=", "j%3A%5B%5D", "é", "{}", ".."],
    ids=lambda value: f"{value[:8]!r} of {len(value)}",
)
def test_a_cookie_of_rubbish_is_refused(
    target: Target, mallory: Account, value: str
) -> None:
    header = {"Cookie": f"{mallory.cookie_name}={value}"}
    refused(target.ask("POST", REFRESH, header), 401, "token_invalid")
    # Logging out works always, but for a cookie that was somebody else's doing.
    answer = target.ask("POST", LOGOUT, header)
    assert answer.status in (200, 401), answer.body


def test_a_huge_cookie_is_refused(target: Target, mallory: Account) -> None:
    header = {"Cookie": f"{mallory.cookie_name}={'x' * 20_000}"}
    refused(target.ask("POST", REFRESH, header), 431, "headers_too_large")


def test_hundreds_of_cookies_hide_nothing(target: Target, mallory: Account) -> None:
    """Some parsers look at the first so many only, and would miss the second."""
    many = "; ".join(f"c{n}=x" for n in range(600))
    header = {"Cookie": f"{many}; {mallory.cookie_name}={mallory.cookie}; a=b"}
    answer = target.ask("POST", REFRESH, header)
    assert answer.status == 200
    mallory.keep(answer)
