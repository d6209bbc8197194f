"""Access tokens that nothing has issued, and other ways of handing one over (TOK-01,
TOK-02, TOK-03, TOK-10, TOK-20)."""

import socket
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from deploy.tests.attack.target import AttackUser, Target
from deploy.tests.client import ME, SESSIONS, cookies_of, refused, without_id
from deploy.tests.forgeries import FORGERIES, Material

JWKS = "/.well-known/jwks.json"
# Where the two services take an access token.
PROTECTED = [ME, SESSIONS]
DOOR = pytest.mark.parametrize("path", PROTECTED)
FORGED = pytest.mark.parametrize("forge", FORGERIES.values(), ids=list(FORGERIES))
Forge = Callable[[Material], str]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def jwk(target: Target) -> dict[str, str]:
    found: dict[str, str] = target.ask("GET", JWKS).json()["keys"][0]
    return found


@pytest.fixture
def material(jwk: dict[str, str], mallory: AttackUser) -> Material:
    return Material(mallory.access, jwk)


# ---- Forged --------------------------------------------------------------------------


@DOOR
def test_the_token_of_ones_own_opens_what_is_ones_own(
    target: Target, material: Material, path: str
) -> None:
    """Otherwise the refusals below would say nothing."""
    assert target.ask("GET", path, bearer(material.token)).status_code == 200


@FORGED
def test_a_forged_access_token_opens_nothing(
    target: Target, material: Material, forge: Forge
) -> None:
    for path in PROTECTED:
        response = target.ask("GET", path, bearer(forge(material)))
        refused(response, 401, "token_invalid")
        assert 'error="invalid_token"' in response.one("WWW-Authenticate")


@FORGED
def test_a_forged_refresh_token_refreshes_nothing(
    target: Target, jwk: dict[str, str], mallory: AttackUser, forge: Forge
) -> None:
    """And ends nothing: a forgery proves nothing of the session it names."""
    response = mallory.refresh(forge(Material(mallory.cookie, jwk)))
    refused(response, 401, "token_invalid")
    assert not any(cookies_of(response).values())
    assert mallory.profile()


def test_a_header_of_10_kb_is_refused_before_it_is_read(
    target: Target, material: Material
) -> None:
    header = bearer(material.own(kid="k" * 10_000))
    refused(target.ask("GET", ME, header), 431, "headers_too_large")


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_no_key_is_fetched_from_where_a_token_says(
    target: Target, material: Material, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/jwks.json"
        header = bearer(material.own(**{name: url}))
        for path in PROTECTED:
            refused(target.ask("GET", path, header), 401, "token_invalid")
        if target.is_local:  # or it would be another machine's 127.0.0.1
            with pytest.raises(TimeoutError):
                listener.accept()


def test_the_key_set_tells_no_private_part(target: Target) -> None:
    """TOK-17."""
    for key in target.ask("GET", JWKS).json()["keys"]:
        assert set(key) == {"kty", "n", "e", "use", "alg", "kid"}


@DOOR
def test_a_refused_token_is_not_explained(
    target: Target, material: Material, path: str
) -> None:
    """TOK-21: all forgeries get one and the same response."""
    first, *others = (
        without_id(target.ask("GET", path, bearer(FORGERIES[name](material))))
        for name in ("another key", "crit", "two parts")
    )
    assert all(each == first for each in others)


# ---- Handed over in another way ------------------------------------------------------


@DOOR
@pytest.mark.parametrize("name", ["access_token", "token", "bearer"])
def test_a_token_in_the_query_or_in_a_form_is_none(
    target: Target, mallory: AttackUser, path: str, name: str
) -> None:
    query = urlencode({name: mallory.access})
    refused(target.ask("GET", f"{path}?{query}"), 401, "token_missing")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(target.ask("GET", path, form, query.encode()), 401, "token_missing")


@DOOR
def test_of_two_authorizations_none_is_chosen(
    target: Target, mallory: AttackUser, victim: AttackUser, path: str
) -> None:
    """The gateway and a service could choose differently."""
    good = ("Authorization", f"Bearer {mallory.access}")
    for text in (f"Bearer {victim.access}", "Bearer x", "Basic YTpi", ""):
        other = ("Authorization", text)
        for pair in ([good, other], [other, good]):
            response = target.ask("GET", path, pair)
            assert response.status_code in (400, 401), (text, response.text)


@DOOR
@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "token_missing"), ("Bearer", "token_missing"),
        ("Basic YTpi", "token_missing"), ("{token}", "token_missing"),
        ("Token {token}", "token_missing"), ("Bearer: {token}", "token_missing"),
        ("Bearer a.b.c", "token_invalid"), ("Bearer {token} {token}", "token_invalid"),
        ("Bearer {token},", "token_invalid"), ('Bearer "{token}"', "token_invalid"),
        ("Bearer Bearer {token}", "token_invalid"),
    ],
)  # fmt: skip
def test_another_way_of_writing_it_is_refused(
    target: Target, mallory: AttackUser, path: str, header: str, code: str
) -> None:
    text = header.format(token=mallory.access)
    response = target.ask("GET", path, {"Authorization": text})
    refused(response, 401, code)
    challenge = response.one("WWW-Authenticate")
    assert ("error=" in challenge) == (code == "token_invalid")


def test_one_kind_of_token_is_not_another(target: Target, mallory: AttackUser) -> None:
    for path in PROTECTED:
        header = bearer(mallory.cookie)
        refused(target.ask("GET", path, header), 401, "token_invalid")
    response = mallory.refresh(mallory.access)
    refused(response, 401, "token_invalid")
    assert not any(cookies_of(response).values())


# ---- Of a session that is over -------------------------------------------------------


def test_a_spent_session_is_refused_everywhere(
    target: Target, user: AttackUser
) -> None:
    """TOK-09: the access token too, though it has not expired."""
    header = user.bearer
    assert user.log_out().ok
    for path in PROTECTED:
        refused(target.ask("GET", path, header), 401, "token_revoked")
    refused(user.refresh(), 401, "token_revoked")


def test_a_stolen_refresh_token_ends_the_session_it_was_stolen_from(
    target: Target, user: AttackUser
) -> None:
    """TOK-07: after two rotations it is neither a second tab's nor a retry's."""
    stolen = user.cookie
    user.refresh()
    successor = user.cookie
    while user.cookie == successor:  # once in a leeway, 10 s by default
        target.wait(0.5)
        assert user.refresh().ok
    refused(user.refresh(stolen), 401, "refresh_token_reused")
    refused(target.ask("GET", ME, user.bearer), 401, "token_revoked")
    refused(user.refresh(), 401, "token_revoked")
