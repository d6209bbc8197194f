"""RSA key pairs for RS256: files, thumbprints, JWK Set.

A folder holds `private/<kid>.pem` (for the Auth Service alone) and `public/<kid>.pem`.
`python -m shared.keys.signing_keys generate FOLDER` makes the first pair. A management
command cannot: the settings need the keys. The command `keys` makes later ones.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from jwt import PyJWK
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode

from shared.keys import key_files, key_store
from shared.keys.key_files import KeyFault as KeyFault
from shared.keys.key_files import KeyMissing, pem_files
from shared.keys.key_store import KeyStore, KeyTimestamps, locked_key_store

ALGORITHM = "RS256"  # of every RSA key: one key, one algorithm (RFC 8725 section 3.1)
ALGORITHMS = (ALGORITHM,)  # the closed set, never read from a token
MINIMUM_BITS = 2048  # RFC 7518 section 3.3
RECOMMENDED_BITS = 3072  # ASVS 5.0 11.2.3
MAXIMUM_BITS = 4096  # beyond it a signature costs more than it is worth
SIZES = f"a key has {MINIMUM_BITS} to {MAXIMUM_BITS}"


@dataclass(frozen=True)
class SigningKey:
    kid: str
    key: RSAPrivateKey
    algorithm: str = ALGORITHM


def generate(folder: Path, bits: int = RECOMMENDED_BITS) -> str:
    """Make a key pair under `folder` and return its kid. Raises KeyFault.

    The first pair of a folder is active at once. A later one is only staged.
    """
    with locked_key_store(folder / "public", folder / "private") as store:
        kid = add(store, bits)
        if list(pem_files(store.private)) == [kid]:
            store.activate(kid)
    return kid


def add(store: KeyStore, bits: int) -> str:
    """Make a pair that is published and does not sign yet; its kid. Raises KeyFault.

    Interrupted, it leaves nothing that signs. The note comes first, then the public
    half (verifiers must know a key before it signs), then the private half.
    """
    if not MINIMUM_BITS <= bits <= MAXIMUM_BITS:
        raise KeyFault(f"{bits} bits: {SIZES}.")
    key = generate_private_key(public_exponent=65537, key_size=bits)
    kid = thumbprint(key.public_key())
    private_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    store.keys[kid] = KeyTimestamps(staged_at=key_store.clock())
    store.save()
    key_files.put(store.public_half(kid), public_pem, mode=0o444)
    key_files.put(store.private_half(kid), private_pem, mode=0o400)
    return kid


def load_public_keys(folder: Path) -> dict[str, PyJWK]:
    """All public keys of a folder by kid, none of which may be bad. Raises KeyFault."""
    paths = pem_files(folder)
    if not paths:
        raise KeyMissing(f"There is no public key in {folder}.")
    return {kid: load_public_key(path) for kid, path in paths.items()}


def load_public_key(path: Path) -> PyJWK:
    """Raises KeyFault; its cause is an OSError if the file cannot be read."""
    try:
        key: Any = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise KeyFault(f"{path} cannot be read as a public key.") from exc
    check(path, key)
    return verifying_key(key)


def load_signing_key(folder: Path) -> SigningKey:
    """The active private key of a folder. Raises KeyFault."""
    paths = pem_files(folder)
    if not paths:
        raise KeyMissing(f"There is no private key in {folder}.")
    active, _ = key_store.load_state(folder)
    if active is None:
        raise KeyMissing(f"No key in {folder} is active: `keys activate KID --now`.")
    if active not in paths:
        raise KeyMissing(f"The active key {active} is not in {folder}.")
    return load_private_key(paths[active])


def load_private_key(path: Path) -> SigningKey:
    """Raises KeyFault."""
    try:
        key: Any = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as exc:
        raise KeyFault(f"{path} cannot be read as a private key.") from exc
    check(path, key.public_key())
    return SigningKey(path.stem, key)


def check(path: Path, key: Any) -> None:
    """Raises KeyFault if the key in this file is none that we use."""
    fault = fault_of(key, path.stem)
    if fault is not None:
        raise KeyFault(f"{path} {fault}.")


def fault_of(key: Any, kid: Any) -> str | None:
    """What is wrong with a public key of this name: its kind, its size or the name."""
    if not isinstance(key, RSAPublicKey):
        return "is not an RSA key"
    if not MINIMUM_BITS <= key.key_size <= MAXIMUM_BITS:
        return f"has {key.key_size} bits: {SIZES}"
    if kid != thumbprint(key):
        return f"must be named {thumbprint(key)}.pem (RFC 7638)"
    return None


def verifying_key(key: RSAPublicKey) -> PyJWK:
    """The key as PyJWT takes it: bound to its algorithm, whatever a token says."""
    return PyJWK(public_jwk(key))


def thumbprint(key: RSAPublicKey) -> str:
    """The kid: SHA-256 thumbprint of the key (RFC 7638 section 3)."""
    canonical = json.dumps(jwk(key), sort_keys=True, separators=(",", ":"))
    return base64url_encode(hashlib.sha256(canonical.encode()).digest()).decode()


def jwk(key: RSAPublicKey) -> dict[str, str]:
    """Public members of an RSA key (RFC 7518 section 6.3.1)."""
    members = RSAAlgorithm.to_jwk(key, as_dict=True)
    return {name: members[name] for name in ("kty", "n", "e")}


def public_jwk(key: RSAPublicKey) -> dict[str, str]:
    """The key as it is published (RFC 7517 section 4)."""
    return {**jwk(key), "use": "sig", "alg": ALGORITHM, "kid": thumbprint(key)}


def jwk_set(keys: Mapping[str, PyJWK]) -> dict[str, list[dict[str, str]]]:
    """The JWK Set (RFC 7517 section 5) of verifying keys."""
    return {"keys": [public_jwk(key.key) for key in keys.values()]}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m shared.keys.signing_keys", description=__doc__
    )
    parser.add_argument("action", choices=["generate", "check"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bits", type=int, default=RECOMMENDED_BITS)
    options = parser.parse_args()
    try:
        if options.action == "generate":
            sys.stdout.write(f"{generate(options.folder, options.bits)}\n")
        else:
            key = load_signing_key(options.folder / "private")
            kids = load_public_keys(options.folder / "public")
            if key.kid not in kids:
                raise KeyFault(f"The public half of {key.kid} is missing.")
            sys.stdout.write(f"signs with {key.kid}, verifies {', '.join(kids)}\n")
    except (KeyFault, OSError, ValueError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
