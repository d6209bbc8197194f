"""RSA key pairs for RS256: files, thumbprints, JWK Set.

A folder holds `private/<kid>.pem` (for the Auth Service alone) and `public/<kid>.pem`.
`python -m shared.keys.signing_keys FOLDER` makes the first pair, and the command `keys`
later ones.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from jwt import PyJWK
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode

from shared.keys import key_store
from shared.keys.key_store import KeyFault as KeyFault
from shared.keys.key_store import KeyMissing, KeyStore, pem_files

ALGORITHM = "RS256"  # of every RSA key: one key, one algorithm (RFC 8725 section 3.1)
ALGORITHMS = (ALGORITHM,)  # the closed set, never read from a token
MINIMUM_BITS = 2048  # RFC 7518 section 3.3
RECOMMENDED_BITS = 3072  # ASVS 5.0 11.2.3
MAXIMUM_BITS = 4096  # beyond it a signature costs more than it is worth
SIZES = f"a key must have {MINIMUM_BITS} to {MAXIMUM_BITS} bits"


@dataclass(frozen=True)
class SigningKey:
    kid: str
    key: RSAPrivateKey


def generate(folder: Path, bits: int = RECOMMENDED_BITS) -> str:
    """Make a key pair under `folder` and return its kid. Raises KeyFault."""
    folders = folder / "public", folder / "private"
    with key_store.locked_key_store(*folders) as store:
        return add(store, bits)


def add(store: KeyStore, bits: int) -> str:
    """Publish a new pair that does not sign yet. Returns its kid. Raises KeyFault.

    The first pair is active at once. The public half is written first: alone it is
    harmless, and `prune` removes it later.
    """
    key = new_key(bits)
    kid = thumbprint(key.public_key())
    private_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signer = store.active if pem_files(store.private) else kid
    if signer is not None:
        store.activate(signer)  # an only key may be unnamed, and there are two now
    key_store.put(store.public_half(kid), public_pem, mode=0o444)
    key_store.put(store.private_half(kid), private_pem, mode=0o400)
    return kid


def new_key(bits: int) -> RSAPrivateKey:
    """Raises KeyFault for a size that is refused."""
    if not MINIMUM_BITS <= bits <= MAXIMUM_BITS:
        raise KeyFault(f"{bits} bits: {SIZES}.")
    while True:
        key = generate_private_key(public_exponent=65537, key_size=bits)
        # A command line takes a kid that begins with a hyphen for an option.
        if not thumbprint(key.public_key()).startswith("-"):
            return key


def load_public_keys(folder: Path) -> dict[str, PyJWK]:
    """All public keys of a folder by kid. Raises KeyFault, also if only one is bad."""
    paths = pem_files(folder)
    if not paths:
        raise KeyMissing(f"There is no public key in {folder}.")
    return {kid: load_public_key(path) for kid, path in paths.items()}


def load_public_key(path: Path) -> PyJWK:
    """Raises KeyFault; its cause is an OSError if the file cannot be read."""
    key = load(path, serialization.load_pem_public_key)
    check(path, key, path.stem)
    return PyJWK(public_jwk(key))


def load_signing_key(folder: Path) -> SigningKey:
    """The active private key of a folder. Raises KeyFault."""
    kid, paths = key_store.active_kid(folder), pem_files(folder)
    if kid not in paths:
        raise KeyMissing(f"No key in {folder} is active: `keys activate KID --now`.")
    return load_private_key(paths[kid])


def load_private_key(path: Path) -> SigningKey:
    """Raises KeyFault."""
    key = load(path, lambda pem: serialization.load_pem_private_key(pem, None))
    check(path, key.public_key(), path.stem)
    return SigningKey(path.stem, key)


def load(path: Path, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(path.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise KeyFault(f"{path} cannot be read as a key.") from exc


def check(source: object, key: Any, kid: Any) -> None:
    """Raises KeyFault for a public key of a kind, size or name that we do not use."""
    if not isinstance(key, RSAPublicKey):
        raise KeyFault(f"{source} is not an RSA key.")
    if not MINIMUM_BITS <= key.key_size <= MAXIMUM_BITS:
        raise KeyFault(f"{source} has {key.key_size} bits: {SIZES}.")
    if kid != thumbprint(key):
        raise KeyFault(f"{source} must be named {thumbprint(key)} (RFC 7638).")


def thumbprint(key: RSAPublicKey) -> str:
    """The kid: SHA-256 thumbprint of the key (RFC 7638 section 3)."""
    return public_jwk(key)["kid"]


def public_jwk(key: RSAPublicKey) -> dict[str, str]:
    """The key as it is published (RFC 7517 section 4, RFC 7518 section 6.3.1). PyJWT
    binds it to `alg`, whatever algorithm a token names."""
    members = RSAAlgorithm.to_jwk(key, as_dict=True)
    jwk = {name: members[name] for name in ("kty", "n", "e")}
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":"))
    kid = base64url_encode(hashlib.sha256(canonical.encode()).digest()).decode()
    return {**jwk, "use": "sig", "alg": ALGORITHM, "kid": kid}


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
