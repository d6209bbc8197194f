"""Other stacks verify our tokens with the published keys, and refuse the same ones."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url

from deploy.tests.client import TestUser, claims_of
from deploy.tests.forgeries import FORGERIES, Material
from deploy.tests.signing_keys import key_set, kid_of
from deploy.tests.stack import System
from deploy.tests.system import foreign_clients
from deploy.tests.system.foreign_clients import Client, Trust
from shared.keys.signing_keys import thumbprint


@pytest.fixture(scope="module")
def trust(system: System) -> Trust:
    """What a service finds out from the issuer's name alone (RFC 8414 section 3)."""
    issuer = system.settings("auth")["JWT_ISSUER"]
    answer = requests.get(get_well_known_url(issuer, external=True), timeout=10)
    metadata = answer.json()
    assert metadata["issuer"] == issuer == system.gateway_url
    return Trust(metadata["jwks_uri"], issuer, audience="memo")


@pytest.fixture(scope="module", params=["authlib", "jose"])
def verify(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Client:
    """Each library in turn."""
    if request.param == "jose":
        return foreign_clients.install_jose(tmp_path_factory.mktemp("jose"))
    return foreign_clients.authlib


@dataclass(frozen=True)
class Issued(Material):
    """A real token, and the key that signed it."""

    refresh_token: str
    key: str

    def sign(self, **claims: Any) -> str:
        """The token with other claims, correctly signed."""
        payload = {**claims_of(self.token), **claims}
        return jwt.encode(payload, self.key, "RS256", headers=self.header)


@pytest.fixture
def issued(user: TestUser) -> Issued:
    kid = kid_of(user.access)
    [jwk] = [x for x in key_set(user.system).json()["keys"] if x["kid"] == kid]
    path = user.system.state / "secrets" / "keys" / "private" / f"{kid}.pem"
    return Issued(user.access, jwk, user.cookie, path.read_text())


def expired(it: Issued) -> str:
    now = int(time.time())
    return it.sign(iat=now - 360, exp=now - 60)


FORGED = ("swapped payload", "alg none", "HS256 by the public PEM", "another key")
BAD: dict[str, Callable[[Issued], str]] = {
    **{name: FORGERIES[name] for name in FORGED},
    "unpublished key": lambda it: it.own(kid=thumbprint(it.own_key.public_key())),
    "audience of another": lambda it: it.sign(aud="other"),
    "issuer of another": lambda it: it.sign(iss="https://other.example"),
    "expired": expired,
    "refresh token": lambda it: it.refresh_token,
}


def test_good_tokens_are_verified_and_bad_ones_refused_by_all(
    verify: Client, trust: Trust, issued: Issued
) -> None:
    """A good one also when it is signed again by hand: the bad are refused for their
    fault."""
    claims = claims_of(issued.token)
    assert verify([issued.token, issued.sign()], trust) == [claims, claims]
    answers = verify([make(issued) for make in BAD.values()], trust)
    assert dict(zip(BAD, answers, strict=True)) == dict.fromkeys(BAD)


def test_what_others_refuse_is_refused_here(issued: Issued, user: TestUser) -> None:
    for name, make in BAD.items():
        token = make(issued)
        statuses = {user.me(token).status_code, user.verify(token).status_code}
        assert statuses == {401}, name


def test_a_standard_client_introspects(
    user: TestUser, system: System, verify: Client, trust: Trust
) -> None:
    """Authlib's, as another service. Of a logout no signature tells."""
    url = f"{system.auth_url}/api/v1/auth/introspect"

    def introspect(token: str, key: str = "") -> Any:
        with OAuth2Session("users", key or system.api_key("auth")) as session:
            return session.introspect_token(url, token, "access_token")

    answer, claims = introspect(user.access), claims_of(user.access)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {**claims, "active": True, "token_type": "Bearer"}
    for token in (user.cookie, "x"):
        assert introspect(token).json() == {"active": False}
    refused = introspect(user.access, key="x" * 43)
    assert refused.status_code == 401
    assert refused.json()["code"] == "service_auth_failed"
    assert refused.headers["WWW-Authenticate"].startswith("Basic ")

    assert user.log_out().ok
    assert verify([user.access], trust) == [claims]
    assert introspect(user.access).json() == {"active": False}
