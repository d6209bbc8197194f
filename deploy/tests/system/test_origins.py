"""Other sites' pages, through the gateway: what a browser says of them arrives."""

import pytest
import requests

from deploy.tests.users import PASSWORD, TIMEOUT, Person, code_of

ACTS = pytest.mark.parametrize("act", ["login", "refresh", "logout"])


def ask(person: Person, act: str, headers: dict[str, str]) -> requests.Response:
    """As the browser does that holds this person's cookie."""
    body = {"email": person.email, "password": PASSWORD} if act == "login" else None
    return requests.post(
        f"{person.system.gateway_url}/api/v1/auth/{act}",
        json=body,
        headers={**headers, "Cookie": f"refresh_token={person.cookie}"},
        timeout=TIMEOUT,
    )


@ACTS
def test_a_page_of_the_gateway_itself_is_answered(person: Person, act: str) -> None:
    """Scheme, host and port are the ones the browser shows."""
    headers = {"Origin": person.system.gateway_url, "Sec-Fetch-Site": "same-origin"}
    answer = ask(person, act, headers)
    assert answer.status_code == 200, answer.text


@ACTS
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost"},
    ],
    ids=["cross-site", "same-site", "null", "other-origin", "other-port"],
)
def test_a_page_of_another_site_is_refused(
    person: Person, act: str, headers: dict[str, str]
) -> None:
    answer = ask(person, act, headers)

    assert answer.status_code == 403, answer.text
    assert code_of(answer) == "cross_site_request"
    assert "Set-Cookie" not in answer.headers
    assert person.me().ok, "the session goes on"
    assert person.refresh().ok
