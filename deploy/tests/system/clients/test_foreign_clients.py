"""Other stacks verify our tokens with the published keys, and refuse the same ones.

Both libraries do what docs/integration.md asks for: one algorithm, issuer, audience,
and the type. That PyJWT can is proved by our own services.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url
from joserfc import jwt as joserfc
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from deploy.tests.client import claims_of
from deploy.tests.forgeries import FORGERIES, Material
from deploy.tests.npm import npm_install
from deploy.tests.signing_keys import key_set, kid_of
from shared.keys.signing_keys import thumbprint

JOSE = "jose@6.2.18"
SCRIPT = Path(__file__).parent / "foreign" / "verify.mjs"

# What a service elsewhere is configured with.
Trust = dict[str, str]
# The claims of each token, or None where it is refused. Other troubles raise.
Verified = list[dict[str, Any] | None]
Verify = Callable[[Sequence[str]], Verified]


@pytest.fixture(scope="module")
def trust(system):
    """What a service finds out from the issuer's name alone (RFC 8414 section 3)."""
    issuer = system.settings("auth")["JWT_ISSUER"]
    answer = requests.get(get_well_known_url(issuer, external=True), timeout=10)
    metadata = answer.json()
    assert metadata["issuer"] == issuer == system.gateway_url
    return {"jwks_uri": metadata["jwks_uri"], "issuer": issuer, "audience": "memo"}


@pytest.fixture(scope="module", params=["authlib", "jose"])
def verify(request, tmp_path_factory, trust):
    """Each library in turn."""
    if request.param == "authlib":
        return lambda tokens: authlib(trust, tokens)
    folder = tmp_path_factory.mktemp("jose")
    # Next to node_modules: an ES module is looked for from where the script is.
    node = [npm_install(folder, JOSE), shutil.copy(SCRIPT, folder)]

    def jose(tokens: Sequence[str]) -> Verified:
        question = json.dumps({**trust, "tokens": tokens})
        done = subprocess.run(node, input=question, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return jose


def authlib(trust: Trust, tokens: Sequence[str]) -> Verified:
    """joserfc, to which Authlib has moved its JOSE."""
    keys = KeySet.import_key_set(requests.get(trust["jwks_uri"], timeout=10).json())
    registry = joserfc.JWTClaimsRegistry(
        iss={"essential": True, "value": trust["issuer"]},
        aud={"essential": True, "value": trust["audience"]},
        exp={"essential": True},
    )
    found: Verified = []
    for token in tokens:
        try:
            it = joserfc.decode(token, keys, algorithms=["RS256"])
            registry.validate(it.claims)
        except JoseError:
            found.append(None)
        else:  # RFC 9068 section 2.1; a refresh token has the same keys.
            found.append(it.claims if it.header.get("typ") == "at+jwt" else None)
    return found


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
def issued(user):
    kid = kid_of(user.access)
    [jwk] = [x for x in key_set(user.system).json()["keys"] if x["kid"] == kid]
    path = user.system.state / "secrets" / "keys" / "private" / f"{kid}.pem"
    return Issued(user.access, jwk, user.cookie, path.read_text())


EARLIER = int(time.time()) - 60
FORGED = ("swapped payload", "alg none", "HS256 by the public PEM", "another key")
BAD: dict[str, Callable[[Issued], str]] = {
    **{name: FORGERIES[name] for name in FORGED},
    "unpublished key": lambda it: it.own(kid=thumbprint(it.own_key.public_key())),
    "audience of another": lambda it: it.sign(aud="other"),
    "issuer of another": lambda it: it.sign(iss="https://other.example"),
    "expired": lambda it: it.sign(iat=EARLIER - 300, exp=EARLIER),
    "refresh token": lambda it: it.refresh_token,
}


def test_good_tokens_are_verified_and_bad_ones_refused_by_all(verify, issued, user):
    """Here, too. A good one also when it is signed again by hand: the bad are refused
    for their fault."""
    claims = claims_of(issued.token)
    assert verify([issued.token, issued.sign()]) == [claims, claims]
    bad = {name: make(issued) for name, make in BAD.items()}
    assert dict(zip(bad, verify([*bad.values()]), strict=True)) == dict.fromkeys(bad)
    for name, token in bad.items():
        statuses = {user.me(token).status_code, user.verify(token).status_code}
        assert statuses == {401}, name


def test_a_standard_client_introspects(user, system, verify):
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
    assert verify([user.access]) == [claims]
    assert introspect(user.access).json() == {"active": False}
