"""A pytest plugin for services: `-p shared.testing`.

Gives the suite the database's owner role, which may create the test database, and
fixtures to call a service without a token, as another service, or with any token.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    generate_private_key,
)

TokenMaker = Callable[..., str]

AMR = {"aal1": ["pwd"], "aal2": ["pwd", "otp", "mfa"]}  # an example for each level

# Members of `tokens` that every route for users refuses, with the code of the 401:
# `@pytest.mark.parametrize(("kind", "code"), REFUSED_TOKENS)`.
REFUSED_TOKENS = [
    ("expired", "token_expired"),
    ("wrong_audience", "token_invalid"),
    ("unknown_key", "token_invalid"),
    ("revoked", "token_revoked"),
]


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Read the owner role from `.env.migrate`, before Django's settings are read.

    A wrapper, since only wrappers run before pytest-django's own hook.
    """
    owner = early_config.rootpath / ".env.migrate"
    if "MIGRATION_DATABASE_URL" not in os.environ and owner.is_file():
        import environ

        environ.Env.read_env(owner)
    yield


def client_with(**headers: str) -> Any:
    """DRF's test client, with these headers. It sends JSON."""
    from rest_framework.test import APIClient

    return APIClient(headers=headers)


@pytest.fixture
def api_client() -> Any:
    """A client without credentials."""
    return client_with()


@pytest.fixture
def service_client(settings: Any) -> Callable[[str], Any]:
    """Makes a client with the API key of another service, by the service's name."""
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


def known_keys(*private: RSAPrivateKey) -> SimpleNamespace:
    """Keys that never change, in place of `shared.keys.keyring.FolderKeys`."""
    from shared.keys.signing_keys import public_jwk

    jwks = [public_jwk(key.public_key()) for key in private]
    keys = {jwk["kid"]: jwt.PyJWK(jwk) for jwk in jwks}
    return SimpleNamespace(find=keys.get, all=lambda: keys)


@pytest.fixture
def trusted_kid(issuer_key: RSAPrivateKey, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make `issuer_key` the issuer's only key. Return its kid."""
    from shared.keys import keyring, signing_keys

    trusted = known_keys(issuer_key)
    (kid,) = trusted.all()
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
        "auth_time": now,
        "acr": "aal1",
        "exp": now + 300,
        "token_type": "access",
    }


@pytest.fixture
def make_token(issuer_key: RSAPrivateKey, trusted_kid: str) -> Iterator[TokenMaker]:
    """Makes tokens: good ones, or wrong ones as the arguments say.

    `session` is the session's state in Redis: "active", "revoked", or None for no key.
    `headers` replace members of the header, all other arguments members of the payload;
    a member that is None is left out of the payload.
    """
    from shared.auth import session_state

    profile: dict[str, Any] = {"email": "ada@example.org", "email_verified": False}
    profile |= {"username": "ada", "roles": ["editor"]}
    states = {"active": "active", "revoked": "revoked:test"}
    made: list[str] = []

    def make(
        session: str | None = "active",
        key: Any = issuer_key,
        algorithm: str = "RS256",
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        payload = good_claims() | profile | claims
        payload.setdefault("amr", AMR.get(payload["acr"]))
        payload = {name: value for name, value in payload.items() if value is not None}
        if session is not None and "sid" in payload:
            made.append(session_state.key(payload["sid"]))
            session_state.connection().set(made[-1], states[session], ex=60)
        head = {"kid": trusted_kid, "typ": "at+jwt"} | (headers or {})
        return jwt.encode(payload, key, algorithm, head)

    yield make
    if made:
        session_state.connection().delete(*made)


@pytest.fixture
def tokens(make_token: TokenMaker, foreign_key: RSAPrivateKey) -> SimpleNamespace:
    """An access token of each kind: `tokens.expired(roles=["admin"])`. The arguments
    are those of `make_token`."""
    now = int(time.time())
    (foreign_kid,) = known_keys(foreign_key).all()
    foreign = {"key": foreign_key, "headers": {"kid": foreign_kid}}
    return SimpleNamespace(
        valid=make_token,
        expired=partial(make_token, iat=now - 600, exp=now - 300),
        wrong_audience=partial(make_token, aud="another-service"),
        unknown_key=partial(make_token, **foreign),
        revoked=partial(make_token, session="revoked"),
    )


@pytest.fixture
def bearer(make_token: TokenMaker) -> Callable[..., Any]:
    """A client whose access token is made by `make_token`: `bearer(acr="aal2")` has
    used a second factor."""
    return lambda **claims: client_with(Authorization=f"Bearer {make_token(**claims)}")


@pytest.fixture
def enrolling(make_token: TokenMaker, settings: Any) -> Callable[..., Any]:
    """A client with an enrol token: `enrolling(sub=..., epoch=0)`."""
    kind: dict[str, Any] = {"token_type": "enrol"}
    kind["aud"] = f"{settings.JWT_AUDIENCE}:enrol"
    kind |= {"headers": {"typ": "enrol+jwt"}, "session": None}

    def client(epoch: int = 0, **claims: Any) -> Any:
        token = make_token(epoch=epoch, **{**kind, **claims})
        return client_with(Authorization=f"Bearer {token}")

    return client


@pytest.fixture(autouse=True)
def _isolated(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use the test's API keys, not those in the checkout's files, and a closed breaker.

    A service's Redis user may write `<service>:*` and only read `session:*`. A suite
    that plays the Auth Service uses keys that it may write instead.
    """
    from shared.auth import session_state

    settings.SECRET_FILES = {}
    if settings.SERVICE_NAME != "auth":
        keys = f"{settings.SERVICE_NAME}:test-session:{{}}"
        monkeypatch.setattr(session_state, "key", keys.format)
    session_state.breaker.succeeded()
    yield
    session_state.breaker.succeeded()
