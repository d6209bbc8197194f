"""How a token is handed over: in one header, once, nowhere else (TOK-03, TOK-20)."""

from urllib.parse import urlencode

import pytest

from deploy.tests.attack.account import ME, REFRESH, SESSIONS, Account, cookies_of
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import refused

PROTECTED = pytest.mark.parametrize("path", [ME, SESSIONS])


@PROTECTED
@pytest.mark.parametrize("name", ["access_token", "token", "jwt", "bearer"])
def test_a_token_in_the_query_is_none(
    target: Target, mallory: Account, path: str, name: str
) -> None:
    query = urlencode({name: mallory.access})
    refused(target.ask("GET", f"{path}?{query}"), 401, "token_missing")


@PROTECTED
def test_a_token_in_a_form_is_none(target: Target, mallory: Account, path: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"access_token": mallory.access}).encode()
    refused(target.ask("GET", path, form, body), 401, "token_missing")


@PROTECTED
def test_of_two_authorizations_none_is_chosen(
    target: Target, mallory: Account, victim: Account, path: str
) -> None:
    """The gateway and a service could choose differently."""
    good = ("Authorization", f"Bearer {mallory.access}")
    for other in (f"Bearer {victim.access}", "Bearer x", "Basic YTpi", ""):
        for pair in (
            [good, ("Authorization", other)],
            [("Authorization", other), good],
        ):
            answer = target.ask("GET", path, pair)
            assert answer.status in (400, 401), (other, answer.body)


@PROTECTED
@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer", "token_missing"),
        ("Bearer ", "token_missing"),
        ("{token}", "token_missing"),
        ("Token {token}", "token_missing"),
        ("JWT {token}", "token_missing"),
        ("Bearer: {token}", "token_missing"),
        ("Bearer {token} {token}", "token_invalid"),
        ("Bearer {token},", "token_invalid"),
        ('Bearer "{token}"', "token_invalid"),
        ("Bearer Bearer {token}", "token_invalid"),
    ],
)
def test_another_way_of_writing_it_is_refused(
    target: Target, mallory: Account, path: str, header: str, code: str
) -> None:
    said = {"Authorization": header.format(token=mallory.access)}
    answer = target.ask("GET", path, said)
    refused(answer, 401, code)
    challenge = answer.one("WWW-Authenticate")
    assert ("error=" in challenge) == (code == "token_invalid")


@PROTECTED
def test_a_refresh_token_is_no_access_token(
    target: Target, mallory: Account, path: str
) -> None:
    header = {"Authorization": f"Bearer {mallory.cookie}"}
    refused(target.ask("GET", path, header), 401, "token_invalid")


def test_an_access_token_is_no_refresh_token(target: Target, mallory: Account) -> None:
    header = mallory.cookie_header(mallory.access)
    answer = target.ask("POST", REFRESH, header)
    refused(answer, 401, "token_invalid")
    assert not any(cookies_of(answer).values())


def test_a_spent_session_is_refused_everywhere(
    target: Target, somebody: Account
) -> None:
    """TOK-09: the access token too, though its time is not up."""
    header = somebody.bearer
    answer = target.ask("POST", "/api/v1/auth/logout", somebody.cookie_header())
    assert answer.status == 200
    for path in (ME, SESSIONS):
        refused(target.ask("GET", path, header), 401, "token_revoked")
    refused(somebody.refresh(), 401, "token_revoked")


def test_a_stolen_refresh_token_ends_the_session_it_was_stolen_from(
    target: Target, somebody: Account
) -> None:
    """TOK-07: two rotations on it is nobody's second tab or retry."""
    stolen = somebody.cookie
    somebody.keep(somebody.refresh())
    successor = somebody.cookie
    while somebody.cookie == successor:  # once in a leeway, 10 s by default
        target.wait(0.5)
        somebody.keep(somebody.refresh())
    refused(somebody.refresh(stolen), 401, "refresh_token_reused")
    refused(target.ask("GET", ME, somebody.bearer), 401, "token_revoked")
    refused(somebody.refresh(), 401, "token_revoked")
