"""Tokens made of what is public: the key set, and a token of one's own. One of each
class; the whole corpus is the services' own: shared/tests/auth/test_tokens.py."""

import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_decode

from shared.tests.forgery import b64, hs256, part, rs256, unsigned


@dataclass(frozen=True)
class Material:
    """What an attacker has: their own token, the published key, a key of their own."""

    token: str
    jwk: dict[str, Any]

    @cached_property
    def header(self) -> dict[str, Any]:
        return jwt.get_unverified_header(self.token)

    @cached_property
    def claims(self) -> dict[str, Any]:
        """Their own, but for another user, and for a year."""
        own = json.loads(base64url_decode(self.token.split(".")[1]))
        stranger = str(uuid.uuid4())
        return {**own, "sub": stranger, "exp": own["exp"] + 31_536_000}

    @cached_property
    def pem(self) -> bytes:
        """The public key as a text, which a careless verifier takes for a secret."""
        key = PyJWK.from_dict(self.jwk).key
        return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    @cached_property
    def own_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    # ---- Making tokens -------------------------------------------------------

    def own(self, **header: Any) -> str:
        """Signed with the attacker's own key, and a header that talks for it."""
        return rs256({**self.header, **header}, self.claims, self.own_key)

    def hmac(self, secret: bytes, alg: str = "HS256") -> str:
        return hs256({**self.header, "alg": alg}, self.claims, secret)

    def bare(self, **header: Any) -> str:
        return unsigned({**self.header, **header}, self.claims)

    def kept(self, **header: Any) -> str:
        """Another header over the true payload, with the true signature."""
        _, payload, signature = self.token.split(".")
        return f"{part({**self.header, **header})}.{payload}.{signature}"

    def swapped(self) -> str:
        """Another payload between the true header and the true signature."""
        header, _, signature = self.token.split(".")
        return f"{header}.{part(self.claims)}.{signature}"

    def other(self, alg: str) -> str:
        """By the attacker's own key, with an algorithm that is a good one elsewhere."""
        curve = ec.generate_private_key(ec.SECP256R1())
        key = curve if alg == "ES256" else self.own_key
        return jwt.encode(self.claims, key, headers={**self.header, "alg": alg})


FORGERIES: dict[str, Callable[[Material], str]] = {
    **{
        f"alg {alg}": lambda m, alg=alg: m.bare(alg=alg)
        for alg in ("none", "nOnE", "", "RS256", None)
    },
    "no alg": lambda m: unsigned({"typ": "at+jwt", "kid": m.header["kid"]}, m.claims),
    "no header": lambda m: unsigned({}, m.claims),
    "alg none, true signature": lambda m: m.kept(alg="none"),
    "HS256 by the public PEM": lambda m: m.hmac(m.pem),
    "HS256 by the modulus": lambda m: m.hmac(base64url_decode(m.jwk["n"])),
    "HS256 by the JWK": lambda m: m.hmac(json.dumps(m.jwk).encode()),
    "HS256 by nothing": lambda m: m.hmac(b""),
    "HS256 that says RS256": lambda m: m.hmac(m.pem, "RS256"),
    **{alg: lambda m, alg=alg: m.other(alg) for alg in ("PS256", "ES256")},
    "another key": lambda m: m.own(),
    "jwk": lambda m: m.own(jwk=RSAAlgorithm.to_jwk(m.own_key.public_key(), True)),
    "x5c": lambda m: m.own(x5c=[b64(m.pem)]),
    "unknown crit": lambda m: m.own(crit=["x"], x=1),
    "b64 false": lambda m: m.own(b64=False, crit=["b64"]),
    "swapped payload": lambda m: m.swapped(),
    "another typ": lambda m: m.kept(typ="JWT"),
    "kid that is a path": lambda m: m.own(kid="../../../../dev/null"),
    "kid that is a list": lambda m: m.own(kid=["x"]),
    "unknown kid": lambda m: m.own(kid=secrets.token_urlsafe(32)),
    "padded signature": lambda m: f"{m.token}==",
    "another spelling": lambda m: m.token[:-1] + sibling(m.token[-1]),
    "standard base64": lambda m: m.token.replace("_", "/").replace("-", "+"),
    "four parts": lambda m: f"{m.token}.{m.token.split('.')[2]}",
    "two parts": lambda m: m.token.rpartition(".")[0],
    "no signature": lambda m: m.token.rpartition(".")[0] + ".",
    "JSON": lambda m: b64(json.dumps({"protected": m.token.split(".")[0]}).encode()),
    "deep header": lambda m: f"{b64(b'[' * 3000)}.e30.x",
    "a huge exp": lambda m: unsigned(m.header, {**m.claims, "exp": 10**300}),
}


def sibling(letter: str) -> str:
    """A letter of base64url with the same leading bits: what a lax decoder drops is
    all that differs."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) ^ 1]
