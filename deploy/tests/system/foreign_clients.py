"""How other stacks verify our tokens: three libraries, each with the published keys.

All do what docs/standards.md asks for: one algorithm, issuer, audience, and the type.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

JOSE = "jose@6.2.18"
SCRIPT = Path(__file__).parent / "foreign" / "verify.mjs"
ALGORITHMS = ["RS256"]
ACCESS_TOKEN = "at+jwt"  # RFC 9068 section 2.1

Claims = dict[str, Any]


class Refused(Exception):
    """The library does not accept the token. Its other troubles are errors."""


@dataclass(frozen=True)
class Trust:
    """What a service elsewhere is configured with."""

    jwks_uri: str
    issuer: str
    audience: str


Client = Callable[[str, Trust], Claims]


def pyjwt(token: str, trust: Trust) -> Claims:
    client = jwt.PyJWKClient(trust.jwks_uri)
    try:
        verified = jwt.decode_complete(
            token,
            client.get_signing_key_from_jwt(token),
            algorithms=ALGORITHMS,
            audience=trust.audience,
            issuer=trust.issuer,
        )
    except jwt.PyJWKClientConnectionError:
        raise
    except jwt.PyJWTError as exc:
        raise Refused from exc
    check_type(verified["header"])
    claims: Claims = verified["payload"]
    return claims


def authlib(token: str, trust: Trust) -> Claims:
    """joserfc, to which Authlib has moved its JOSE."""
    key_set = KeySet.import_key_set(requests.get(trust.jwks_uri, timeout=10).json())
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": trust.issuer},
        aud={"essential": True, "value": trust.audience},
        exp={"essential": True},
    )
    try:
        verified = joserfc_jwt.decode(token, key_set, algorithms=ALGORITHMS)
        registry.validate(verified.claims)
    except JoseError as exc:
        raise Refused from exc
    check_type(verified.header)
    return verified.claims


def check_type(header: dict[str, Any]) -> None:
    """Or a refresh token would do: it has the same keys, issuer and audience."""
    if header.get("typ") != ACCESS_TOKEN:
        raise Refused


def install_jose(folder: Path) -> Client:
    """npm's jose, installed under `folder` and nowhere else; skips where it cannot."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        pytest.skip("NODE AND NPM ARE NOT HERE: npm's jose verified no token")
    quiet = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
    places = ("--prefix", str(folder), "--cache", str(folder / "cache"))
    done = run([npm, "install", *quiet, *places, JOSE], folder)
    if done.returncode != 0:
        pytest.skip(f"NPM DID NOT INSTALL {JOSE}, WHICH VERIFIED NO TOKEN: {done}")
    # Beside node_modules: an ES module is looked for from where the script is.
    script = shutil.copy(SCRIPT, folder)

    def jose(token: str, trust: Trust) -> Claims:
        question = {
            "jwksUri": trust.jwks_uri,
            "issuer": trust.issuer,
            "audience": trust.audience,
            "token": token,
        }
        done = run([node, script], folder, json.dumps(question))
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        if "refused" in answer:
            raise Refused(answer["refused"])
        claims: Claims = answer["claims"]
        return claims

    return jose


def run(
    command: list[str], folder: Path, question: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, input=question, capture_output=True, text=True, timeout=120
    )
