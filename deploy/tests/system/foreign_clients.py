"""How other stacks verify our tokens: three libraries, each with the published keys.

All do what docs/integration.md asks for: one algorithm, issuer, audience, and the type.
Each gives the claims of a token, or None where it refuses it. Other troubles raise.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
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
ACCESS_TOKEN = "at+jwt"  # RFC 9068 section 2.1; a refresh token has the same keys

Claims = dict[str, Any]


@dataclass(frozen=True)
class Trust:
    """What a service elsewhere is configured with."""

    jwks_uri: str
    issuer: str
    audience: str


Client = Callable[[Sequence[str], Trust], list[Claims | None]]


def pyjwt(tokens: Sequence[str], trust: Trust) -> list[Claims | None]:
    keys = jwt.PyJWKClient(trust.jwks_uri)

    def verify(token: str) -> Claims | None:
        expected = {"audience": trust.audience, "issuer": trust.issuer}
        try:
            key = keys.get_signing_key_from_jwt(token)
            verified = jwt.decode_complete(token, key, ALGORITHMS, **expected)
        except jwt.PyJWKClientConnectionError:
            raise
        except jwt.PyJWTError:
            return None
        return verified["payload"] if is_access_token(verified["header"]) else None

    return [verify(token) for token in tokens]


def authlib(tokens: Sequence[str], trust: Trust) -> list[Claims | None]:
    """joserfc, to which Authlib has moved its JOSE."""
    key_set = KeySet.import_key_set(requests.get(trust.jwks_uri, timeout=10).json())
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": trust.issuer},
        aud={"essential": True, "value": trust.audience},
        exp={"essential": True},
    )

    def verify(token: str) -> Claims | None:
        try:
            verified = joserfc_jwt.decode(token, key_set, algorithms=ALGORITHMS)
            registry.validate(verified.claims)
        except JoseError:
            return None
        return verified.claims if is_access_token(verified.header) else None

    return [verify(token) for token in tokens]


def is_access_token(header: dict[str, Any]) -> bool:
    return header.get("typ") == ACCESS_TOKEN


def install_jose(folder: Path) -> Client:
    """npm's jose, installed under `folder` and nowhere else; skips where it cannot."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        pytest.skip("NODE AND NPM ARE NOT HERE: npm's jose verified no token")

    def run(*command: str, question: str = "") -> subprocess.CompletedProcess[str]:
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 120}
        return subprocess.run(command, cwd=folder, input=question, **options)

    quiet = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
    places = ("--prefix", str(folder), "--cache", str(folder / "cache"))
    done = run(npm, "install", *quiet, *places, JOSE)
    if done.returncode != 0:
        pytest.skip(f"NPM DID NOT INSTALL {JOSE}, WHICH VERIFIED NO TOKEN: {done}")
    # Next to node_modules: an ES module is looked for from where the script is.
    script = shutil.copy(SCRIPT, folder)

    def jose(tokens: Sequence[str], trust: Trust) -> list[Claims | None]:
        question = {
            "jwksUri": trust.jwks_uri,
            "issuer": trust.issuer,
            "audience": trust.audience,
            "tokens": tokens,
        }
        done = run(node, str(script), question=json.dumps(question))
        assert done.returncode == 0, done.stderr
        answers: list[Claims | None] = json.loads(done.stdout)
        return answers

    return jose
