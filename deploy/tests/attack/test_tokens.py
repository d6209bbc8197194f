"""Access tokens that nobody issued (TOK-01, TOK-02, TOK-03, TOK-10)."""

import socket
from collections.abc import Callable

import pytest

from deploy.tests.attack.account import ME, REFRESH, SESSIONS, Account, cookies_of
from deploy.tests.attack.forgeries import FORGERIES, Material
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import problem_of, refused

JWKS = "/.well-known/jwks.json"
# Where the two services take an access token.
PROTECTED = [ME, SESSIONS]
FORGED = pytest.mark.parametrize("forge", FORGERIES.values(), ids=list(FORGERIES))
Forge = Callable[[Material], str]


@pytest.fixture(scope="module")
def jwk(target: Target) -> dict[str, str]:
    found: dict[str, str] = target.ask("GET", JWKS).json()["keys"][0]
    return found


@pytest.fixture
def material(jwk: dict[str, str], mallory: Account) -> Material:
    return Material(mallory.access, jwk)


@pytest.fixture
def refresh_material(jwk: dict[str, str], mallory: Account) -> Material:
    return Material(mallory.cookie, jwk)


@pytest.mark.parametrize("path", PROTECTED)
def test_the_token_of_ones_own_opens_what_is_ones_own(
    target: Target, material: Material, path: str
) -> None:
    """Else the refusals below would say nothing."""
    answer = target.ask("GET", path, {"Authorization": f"Bearer {material.token}"})
    assert answer.status == 200


@FORGED
def test_a_forged_access_token_opens_nothing(
    target: Target, material: Material, forge: Forge
) -> None:
    header = {"Authorization": f"Bearer {forge(material)}"}
    for path in PROTECTED:
        answer = target.ask("GET", path, header)
        refused(answer, 401, "token_invalid")
        assert 'error="invalid_token"' in answer.one("WWW-Authenticate")


@FORGED
def test_a_forged_refresh_token_refreshes_nothing(
    target: Target, refresh_material: Material, mallory: Account, forge: Forge
) -> None:
    """And ends nothing: a forgery proves nothing of the session it names."""
    cookie = forge(refresh_material)
    answer = target.ask("POST", REFRESH, mallory.cookie_header(cookie))
    refused(answer, 401, "token_invalid")
    assert not any(cookies_of(answer).values())
    assert mallory.me()


def test_a_header_of_10_kb_is_refused_before_it_is_read(
    target: Target, material: Material
) -> None:
    header = {"Authorization": f"Bearer {material.own(kid='k' * 10_000)}"}
    refused(target.ask("GET", ME, header), 431, "headers_too_large")


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_no_key_is_fetched_from_where_a_token_says(
    target: Target, material: Material, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/jwks.json"
        header = {"Authorization": f"Bearer {material.own(**{name: url})}"}
        for path in PROTECTED:
            refused(target.ask("GET", path, header), 401, "token_invalid")
        if target.is_local:  # or it would be another machine's 127.0.0.1
            with pytest.raises(TimeoutError):
                listener.accept()


def test_the_key_set_tells_no_private_part(target: Target) -> None:
    """TOK-17."""
    for key in target.ask("GET", JWKS).json()["keys"]:
        assert set(key) == {"kty", "n", "e", "use", "alg", "kid"}


@pytest.mark.parametrize("path", PROTECTED)
def test_a_refused_token_is_not_explained(
    target: Target, material: Material, path: str
) -> None:
    """TOK-21: all forgeries get one and the same answer."""
    problems = []
    for forge in (FORGERIES["another key"], FORGERIES["crit"], FORGERIES["two parts"]):
        header = {"Authorization": f"Bearer {forge(material)}"}
        problem = problem_of(target.ask("GET", path, header))
        problems.append({**problem, "request_id": ""})
    assert problems[0] == problems[1] == problems[2]
