"""A pytest plugin for services: `-p shared.testing`.

Gives the suite the database's owner role, which may create the test database, and
fixtures to call a service without a token, as another service, or with any token.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    generate_private_key,
)

TokenMaker = Callable[..., str]

# What `tokens` makes and every route for users refuses, with the code of the 401:
# `@pytest.mark.parametrize(("kind", "code"), REFUSED_TOKENS)`.
REFUSED_TOKENS = [
    ("expired", "token_expired"),
    ("wrong_audience", "token_invalid"),
    ("unknown_key", "token_invalid"),
    ("revoked", "token_revoked"),
]


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Before Django's settings are read: the owner role, from `.env.migrate`.

    A wrapper, since only those come before pytest-django's own hook.
    """
    owner = early_config.rootpath / ".env.migrate"
    if "MIGRATION_DATABASE_URL" not in os.environ and owner.is_file():
        import environ

        environ.Env.read_env(owner)
    yield


def client_with(**headers: str) -> Any:
    """DRF's client, speaking JSON."""
    from rest_framework.test import APIClient

    return APIClient(headers=headers)


@pytest.fixture
def api_client() -> Any:
    """A client without credentials."""
    return client_with()


@pytest.fixture
def service_client(settings: Any) -> Callable[[str], Any]:
    """Another service, by name: a client with the API key it is known by."""
    keys = dict(settings.INTERNAL_API_KEYS)
    return lambda name: client_with(**{"X-Internal-Api-Key": keys[name]})


@pytest.fixture(scope="session")
def foreign_key() -> RSAPrivateKey:
    """A key pair that no service trusts."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def issuer_key() -> RSAPrivateKey:
    """A key pair that the service under test is made to trust."""
    return generate_private_key(public_exponent=65537, key_size=2048)


class KnownKeys(dict[str, jwt.PyJWK]):
    """Keys that never change, in place of `shared.keys.keyring.FolderKeys`."""

    def __init__(self, *private: RSAPrivateKey) -> None:
        from shared.keys.signing_keys import public_jwk, thumbprint

        public = [each.public_key() for each in private]
        super().__init__(
            {thumbprint(key): jwt.PyJWK(public_jwk(key)) for key in public}
        )

    def find(self, kid: str) -> jwt.PyJWK | None:
        return self.get(kid)

    def all(self) -> dict[str, jwt.PyJWK]:
        return self


@pytest.fixture
def trusted_kid(issuer_key: RSAPrivateKey, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kid of `issuer_key`, which now is the one key of the issuer."""
    from shared.keys import keyring, signing_keys

    trusted = KnownKeys(issuer_key)
    (kid,) = trusted
    monkeypatch.setattr(keyring, "verifying_keys", lambda: trusted)
    signer = signing_keys.SigningKey(kid, issuer_key)
    monkeypatch.setattr(keyring, "signing_key", lambda: signer)
    return kid


def good_claims() -> dict[str, Any]:
    """The payload of a good access token of a new user in a new session."""
    from django.conf import settings

    now = int(time.time())
    return {
        "iss": settings.JWT_ISSUER,
        "aud": settings.JWT_AUDIENCE,
        "sub": str(uuid.uuid4()),
        "sid": str(uuid.uuid4()),
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + 300,
        "token_type": "access",
    }


@pytest.fixture
def make_token(issuer_key: RSAPrivateKey, trusted_kid: str) -> Iterator[TokenMaker]:
    """Makes tokens: good ones, and wrong in any way that is asked for.

    `session` is what Redis says: "active", "revoked", or None for nothing. `headers`
    and all other arguments replace members of header and payload; None leaves one out.
    """
    from shared.auth import session_state

    profile = {"email": "ada@example.org", "username": "ada", "roles": ["editor"]}
    made: list[str] = []

    def make(
        session: str | None = "active",
        key: Any = issuer_key,
        algorithm: str = "RS256",
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        payload = good_claims() | profile | claims
        payload = {name: value for name, value in payload.items() if value is not None}
        if session is not None and "sid" in payload:
            made.append(session_state.key(payload["sid"]))
            state = "active" if session == "active" else "revoked:test"
            session_state.connection().set(made[-1], state, ex=60)
        head = {"kid": trusted_kid, "typ": "at+jwt"} | (headers or {})
        return jwt.encode(payload, key, algorithm=algorithm, headers=head)

    yield make
    if made:
        session_state.connection().delete(*made)


@dataclass(frozen=True)
class Tokens:
    """An access token of each kind. `claims` replace members, as in `make_token`."""

    make: TokenMaker
    foreign_key: RSAPrivateKey

    def valid(self, **claims: Any) -> str:
        return self.make(**claims)

    def expired(self, **claims: Any) -> str:
        now = int(time.time())
        return self.make(**{"iat": now - 600, "exp": now - 300} | claims)

    def wrong_audience(self, **claims: Any) -> str:
        return self.make(**{"aud": "another-service"} | claims)

    def unknown_key(self, **claims: Any) -> str:
        """Well made, by a key pair that no service trusts."""
        (kid,) = KnownKeys(self.foreign_key)
        return self.make(key=self.foreign_key, headers={"kid": kid}, **claims)

    def revoked(self, **claims: Any) -> str:
        """Its session has ended, and Redis says so."""
        return self.make(session="revoked", **claims)


@pytest.fixture
def tokens(make_token: TokenMaker, foreign_key: RSAPrivateKey) -> Tokens:
    """Access tokens, good and refused, each in one line."""
    return Tokens(make_token, foreign_key)


@pytest.fixture
def bearer(make_token: TokenMaker) -> Callable[..., Any]:
    """A client whose access token is made by `make_token`."""
    return lambda **claims: client_with(Authorization=f"Bearer {make_token(**claims)}")


@pytest.fixture(autouse=True)
def _isolated(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keys, limits and breakers of one test are not the next one's.

    API keys are what the test sets, and not what files of the checkout say. A service's
    Redis user may write `<service>:*` and only read `session:*`: where a suite plays
    the Auth Service, keys that it may write stand for those.
    """
    from shared import ratelimit
    from shared.auth import session_state

    settings.SECRET_FILES = {}
    service = getattr(settings, "SERVICE_NAME", "auth")
    if service != "auth":
        keys = f"{service}:test-session:{{}}"
        monkeypatch.setattr(session_state, "key", keys.format)
    limits = f"{service}:limit-{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(ratelimit, "prefix", lambda: limits)
    ratelimit.memory_storage().reset()
    breakers = (session_state.breaker, ratelimit.breaker)
    for breaker in breakers:
        breaker.succeeded()
    yield
    for breaker in breakers:
        breaker.succeeded()
