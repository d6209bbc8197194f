"""Other stacks verify our tokens with the published keys, and refuse the same ones."""

import time
import uuid
from collections.abc import Callable, Iterator
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
from deploy.tests.stack import System
from deploy.tests.system import foreign_clients
from deploy.tests.system.foreign_clients import Client, Refused, Trust
from shared.keys.signing_keys import thumbprint
from shared.tests.forgery import hs256, part, unsigned

CLIENTS = ("pyjwt", "authlib", "jose")


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


@pytest.fixture(params=CLIENTS)
def verify(request: pytest.FixtureRequest) -> Client:
    """Each library in turn."""
    if request.param == "jose":
        client: Client = request.getfixturevalue("jose")
        return client
    found: Client = getattr(foreign_clients, request.param)
    return found


# ---- Forgery -------------------------------------------------------------------------


@dataclass(frozen=True)
class Forge:
    """A real token, and the key that signed it."""

    user: TestUser
    key: rsa.RSAPrivateKey

    @property
    def token(self) -> str:
        return self.user.access

    @property
    def header(self) -> dict[str, Any]:
        return jwt.get_unverified_header(self.token)

    def sign(
        self, key: rsa.RSAPrivateKey | None = None, kid: str = "", **claims: Any
    ) -> str:
        """The token with other claims, signed by the stack's key or by another."""
        header = {**self.header, "kid": kid or self.header["kid"]}
        payload = {**claims_of(self.token), **claims}
        return jwt.encode(payload, key or self.key, algorithm="RS256", headers=header)


@pytest.fixture
def forge(user: TestUser) -> Forge:
    kid = jwt.get_unverified_header(user.access)["kid"]
    path = user.system.state / "secrets" / "keys" / "private" / f"{kid}.pem"
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Forge(user, key)


def other_payload(forge: Forge) -> str:
    head, _, signature = forge.token.split(".")
    payload = {**claims_of(forge.token), "roles": ["admin"]}
    return f"{head}.{part(payload)}.{signature}"


def other_signature(forge: Forge) -> str:
    head, payload, signature = forge.token.split(".")
    middle = len(signature) // 2
    changed = "A" if signature[middle] != "A" else "B"
    return f"{head}.{payload}.{signature[:middle]}{changed}{signature[middle + 1 :]}"


def no_signature(forge: Forge) -> str:
    return unsigned({**forge.header, "alg": "none"}, claims_of(forge.token))


def public_key_as_secret(forge: Forge) -> str:
    pem = forge.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hs256({**forge.header, "alg": "HS256"}, claims_of(forge.token), pem)


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def unpublished_key(forge: Forge) -> str:
    """Made as ours are, and not in the set."""
    key = new_key()
    return forge.sign(key=key, kid=thumbprint(key.public_key()))


def expired(forge: Forge) -> str:
    now = int(time.time())
    return forge.sign(iat=now - 360, exp=now - 60)


Make = Callable[[Forge], str]
BAD: dict[str, Make] = {
    "changed-payload": other_payload,
    "changed-signature": other_signature,
    "alg-none": no_signature,
    "hs256-of-the-public-key": public_key_as_secret,
    "key-that-is-not-published": unpublished_key,
    "other-key-of-a-published-name": lambda forge: forge.sign(key=new_key()),
    "audience-of-another": lambda forge: forge.sign(aud="other"),
    "issuer-of-another": lambda forge: forge.sign(iss="https://other.example"),
    "expired": expired,
    "refresh-token": lambda forge: forge.user.cookie,
}
# A good token, and a service that is configured for others.
ELSEWHERE = [{"audience": "other"}, {"issuer": "https://other.example"}]


# ---- Verification --------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda f: f.token, id="of-a-login"),
        # So that those below are refused for their fault alone.
        pytest.param(lambda f: f.sign(), id="signed-again-by-hand"),
    ],
)
def test_a_good_token_is_verified_by_everybody(
    verify: Client, trust: Trust, forge: Forge, make: Make
) -> None:
    claims = verify(make(forge), trust)

    assert claims == claims_of(forge.token)
    assert uuid.UUID(claims["sub"])


@pytest.mark.parametrize("make", BAD.values(), ids=list(BAD))
def test_a_bad_token_is_refused_by_everybody(
    verify: Client, trust: Trust, forge: Forge, make: Make
) -> None:
    with pytest.raises(Refused):
        verify(make(forge), trust)


@pytest.mark.parametrize("configured", ELSEWHERE, ids=["audience", "issuer"])
def test_a_token_for_others_is_refused_by_everybody(
    verify: Client, trust: Trust, user: TestUser, configured: dict[str, str]
) -> None:
    with pytest.raises(Refused):
        verify(user.access, replace(trust, **configured))


@pytest.mark.parametrize("make", BAD.values(), ids=list(BAD))
def test_what_others_refuse_is_refused_here(forge: Forge, make: Make) -> None:
    token = make(forge)
    answers = (forge.user.me(token), forge.user.verify(token))
    assert {answer.status_code for answer in answers} == {401}


# ---- Revocation, which no signature knows of -----------------------------------------


@pytest.fixture
def introspect(system: System) -> Iterator[Callable[[str], Any]]:
    """Authlib's client at the Auth Service, as another service."""
    url = f"{system.auth_url}/api/v1/auth/introspect"
    with OAuth2Session(
        "users",
        system.api_key("auth"),
        token_endpoint_auth_method="client_secret_basic",
    ) as session:
        yield lambda token: session.introspect_token(
            url, token=token, token_type_hint="access_token"
        )


def test_a_standard_client_introspects(
    user: TestUser, introspect: Callable[[str], Any], trust: Trust
) -> None:
    answer = introspect(user.access)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    claims = claims_of(user.access)
    assert answer.json() == {**claims, "active": True, "token_type": "Bearer"}
    assert answer.json()["iss"] == trust.issuer
    assert introspect(user.cookie).json() == {"active": False}
    assert introspect("x").json() == {"active": False}


def test_after_a_logout_the_signature_is_good_and_the_token_is_not(
    verify: Client, trust: Trust, user: TestUser, introspect: Callable[[str], Any]
) -> None:
    assert introspect(user.access).json()["active"] is True
    assert user.log_out().ok

    assert verify(user.access, trust)["sid"] == user.sid
    assert introspect(user.access).json() == {"active": False}


def test_a_standard_client_with_a_wrong_key_is_told_so(
    user: TestUser, system: System
) -> None:
    url = f"{system.auth_url}/api/v1/auth/introspect"
    with OAuth2Session("users", "x" * 43) as session:
        answer = session.introspect_token(url, token=user.access)

    assert answer.status_code == 401
    assert answer.json()["code"] == "service_auth_failed"
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
