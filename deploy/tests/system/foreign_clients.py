"""How other stacks verify our tokens: two libraries, each with the published keys.

Both do what docs/integration.md asks for: one algorithm, issuer, audience, and the
type. Each gives the claims of a token, or None where it refuses it. Other troubles
raise. That PyJWT can is proved by our own services.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

JOSE = "jose@6.2.18"
SCRIPT = Path(__file__).parent / "foreign" / "verify.mjs"

Claims = dict[str, Any]


@dataclass(frozen=True)
class Trust:
    """What a service elsewhere is configured with."""

    jwks_uri: str
    issuer: str
    audience: str


Client = Callable[[Sequence[str], Trust], list[Claims | None]]


def authlib(tokens: Sequence[str], trust: Trust) -> list[Claims | None]:
    """joserfc, to which Authlib has moved its JOSE."""
    key_set = KeySet.import_key_set(requests.get(trust.jwks_uri, timeout=10).json())
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": trust.issuer},
        aud={"essential": True, "value": trust.audience},
        exp={"essential": True},
    )

    def verify(token: str) -> Claims | None:
        try:
            verified = jwt.decode(token, key_set, algorithms=["RS256"])
            registry.validate(verified.claims)
        except JoseError:
            return None
        # RFC 9068 section 2.1; a refresh token has the same keys.
        return verified.claims if verified.header.get("typ") == "at+jwt" else None

    return [verify(token) for token in tokens]


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
        question = json.dumps({**asdict(trust), "tokens": tokens})
        done = run(node, str(script), question=question)
        assert done.returncode == 0, done.stderr
        answers: list[Claims | None] = json.loads(done.stdout)
        return answers

    return jose
