"""Access tokens that nothing has issued, and other ways of sending one (TOK-01, TOK-02,
TOK-03, TOK-10, TOK-20)."""

from urllib.parse import urlencode

import pytest

from deploy.tests.client import ME, SESSIONS, cookies_of, refused, same_but_for_the_id
from deploy.tests.forgeries import FORGERIES, Material

# Where the two services take an access token.
PROTECTED = [ME, SESSIONS]
FORGED = pytest.mark.parametrize("forge", FORGERIES.values(), ids=list(FORGERIES))


@pytest.fixture(scope="module")
def jwk(target):
    """It has no private part (TOK-17)."""
    keys = target.ask("GET", "/.well-known/jwks.json").json()["keys"]
    assert all(set(x) == {"kty", "n", "e", "use", "alg", "kid"} for x in keys)
    return keys[0]


# ---- Forged --------------------------------------------------------------------------


@FORGED
def test_a_forged_access_token_opens_nothing(target, jwk, mallory, forge):
    """And gets the same response as any other forgery (TOK-21)."""
    forged = {"Authorization": f"Bearer {forge(Material(mallory.access, jwk))}"}
    for path in PROTECTED:
        assert target.ask("GET", path, mallory.bearer).status_code == 200
        response = target.ask("GET", path, forged)
        refused(response, 401, "token_invalid")
        other = target.ask("GET", path, {"Authorization": "Bearer x.y.z"})
        assert same_but_for_the_id(response, other)
        assert 'error="invalid_token"' in response.one("WWW-Authenticate")


@FORGED
def test_a_forged_refresh_token_refreshes_nothing(jwk, mallory, forge):
    """And ends nothing: a forgery proves nothing of the session it names."""
    response = mallory.refresh(forge(Material(mallory.cookie, jwk)))
    refused(response, 401, "token_invalid")
    assert not any(cookies_of(response).values())
    assert mallory.profile()


# ---- Sent in another way -------------------------------------------------------------


@pytest.mark.parametrize("path", PROTECTED)
def test_of_two_authorizations_none_is_chosen(target, mallory, victim, path):
    """The gateway and a service could choose differently. A query and a form are not
    even looked at."""
    query = urlencode(dict.fromkeys(("access_token", "token"), mallory.access))
    refused(target.ask("GET", f"{path}?{query}"), 401, "token_missing")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(target.ask("GET", path, form, query.encode()), 401, "token_missing")
    good = ("Authorization", f"Bearer {mallory.access}")
    for text in (f"Bearer {victim.access}", "Bearer x", "Basic YTpi", ""):
        other = ("Authorization", text)
        for pair in ([good, other], [other, good]):
            response = target.ask("GET", path, pair)
            assert response.status_code in (400, 401), (text, response.text)


# ---- Of a session that is over -------------------------------------------------------


def test_a_stolen_refresh_token_ends_the_session_it_was_stolen_from(target, user):
    """TOK-07: after two rotations it is neither a second tab's nor a retry's. The
    access token is refused too, though it has not expired (TOK-09)."""
    stolen, bearer = user.cookie, user.bearer
    user.refresh()
    successor = user.cookie
    while user.cookie == successor:  # once in a leeway, 10 s by default
        target.wait(0.5)
        assert user.refresh().ok
    refused(user.refresh(stolen), 401, "refresh_token_reused")
    for path in PROTECTED:
        refused(target.ask("GET", path, user.bearer), 401, "token_revoked")
        refused(target.ask("GET", path, bearer), 401, "token_revoked")
    refused(user.refresh(), 401, "token_revoked")
