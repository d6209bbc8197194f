"""Other stacks verify our tokens with the published keys, and refuse the same ones."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jwt
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

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


@pytest.fixture(scope="module")
def jose(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return foreign_clients.install_jose(tmp_path_factory.mktemp("jose"))


@pytest.fixture(params=["pyjwt", "authlib", "jose"])
def verify(request: pytest.FixtureRequest) -> Client:
    """Each library in turn."""
    if request.param == "jose":
        client: Client = request.getfixturevalue("jose")
        return client
    found: Client = getattr(foreign_clients, request.param)
    return found


@dataclass(frozen=True)
class Issued(Material):
    """A real token, and the key that signed it."""

    refresh_token: str
    key: rsa.RSAPrivateKey

    def sign(self, **claims: Any) -> str:
        """The token with other claims, correctly signed."""
        payload = {**claims_of(self.token), **claims}
        return jwt.encode(payload, self.key, "RS256", headers=self.header)


@pytest.fixture
def issued(user: TestUser) -> Issued:
    kid = kid_of(user.access)
    [jwk] = [x for x in key_set(user.system).json()["keys"] if x["kid"] == kid]
    path = user.system.state / "secrets" / "keys" / "private" / f"{kid}.pem"
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Issued(user.access, jwk, user.cookie, key)


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


def test_a_good_token_is_verified_by_all(
    verify: Client, trust: Trust, issued: Issued
) -> None:
    """Also when it is signed again by hand: those below are refused for their fault."""
    claims = claims_of(issued.token)
    assert verify([issued.token, issued.sign()], trust) == [claims, claims]


def test_a_bad_token_is_refused_by_all(
    verify: Client, trust: Trust, issued: Issued
) -> None:
    answers = verify([make(issued) for make in BAD.values()], trust)
    assert dict(zip(BAD, answers, strict=True)) == dict.fromkeys(BAD)


@pytest.mark.parametrize("name", ["audience", "issuer"])
def test_a_token_for_others_is_refused_by_all(
    verify: Client, trust: Trust, user: TestUser, name: str
) -> None:
    elsewhere = replace(trust, **{name: "https://other.example"})
    assert verify([user.access], elsewhere) == [None]


@pytest.mark.parametrize("make", BAD.values(), ids=list(BAD))
def test_what_others_refuse_is_refused_here(
    issued: Issued, user: TestUser, make: Callable[[Issued], str]
) -> None:
    token = make(issued)
    assert {user.me(token).status_code, user.verify(token).status_code} == {401}


# ---- Revocation, which no signature knows of -----------------------------------------


@pytest.fixture
def introspect(system: System) -> Callable[..., Any]:
    """Authlib's client at the Auth Service, as another service."""
    url = f"{system.auth_url}/api/v1/auth/introspect"

    def ask(token: str, key: str = "") -> Any:
        with OAuth2Session("users", key or system.api_key("auth")) as session:
            return session.introspect_token(url, token, "access_token")

    return ask


def test_a_standard_client_introspects(
    user: TestUser, introspect: Callable[..., Any], trust: Trust
) -> None:
    answer = introspect(user.access)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    claims = claims_of(user.access)
    assert answer.json() == {**claims, "active": True, "token_type": "Bearer"}
    assert answer.json()["iss"] == trust.issuer
    for token in (user.cookie, "x"):
        assert introspect(token).json() == {"active": False}
    refused = introspect(user.access, key="x" * 43)
    assert refused.status_code == 401
    assert refused.json()["code"] == "service_auth_failed"
    assert refused.headers["WWW-Authenticate"].startswith("Basic ")


def test_after_a_logout_the_signature_is_good_and_the_token_is_not(
    verify: Client, trust: Trust, user: TestUser, introspect: Callable[..., Any]
) -> None:
    assert introspect(user.access).json()["active"] is True
    assert user.log_out().ok

    assert verify([user.access], trust) == [claims_of(user.access)]
    assert introspect(user.access).json() == {"active": False}
