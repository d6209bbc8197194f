"""RSA key pairs for RS256: files, thumbprints, JWK Set.

A folder holds `private/<kid>.pem` (the Auth Service alone) and `public/<kid>.pem`.
Its first pair is made by `python -m shared.keys.signing_keys generate FOLDER`: a
management command could not do it, since settings need the keys. Later ones are the
command `keys`'s.
"""

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from jwt import PyJWK

from shared.keys import key_state
from shared.keys.key_state import KeyFault as KeyFault

ALGORITHM = "RS256"  # of every RSA key: one key, one algorithm (RFC 8725 section 3.1)
ALGORITHMS = (ALGORITHM,)  # the closed set, never read from a token
MINIMUM_BITS = 2048  # RFC 7518 section 3.3
RECOMMENDED_BITS = 3072  # ASVS 5.0 11.2.3
MAXIMUM_BITS = 4096  # beyond it a signature costs more than it is worth
SIZES = f"a key has {MINIMUM_BITS} to {MAXIMUM_BITS}"


class KeyMissing(KeyFault):
    """There is no such key, in a folder that could be read."""


@dataclass(frozen=True)
class SigningKey:
    kid: str
    key: RSAPrivateKey
    algorithm: str = ALGORITHM


def generate(folder: Path, bits: int = RECOMMENDED_BITS) -> str:
    """Make a key pair under `folder` and return its kid. Raises KeyFault.

    The first pair of a folder is active at once; a later one is only staged.
    """
    public, private = folder / "public", folder / "private"
    with key_state.locked(private):
        state = key_state.load(private)
        kid = add(public, private, state, bits)
        if list(key_state.pem_files(private)) == [kid]:
            state.activate(kid, datetime.now(UTC))
            key_state.save(private, state)
    return kid


def add(public: Path, private: Path, state: key_state.State, bits: int) -> str:
    """Make a pair that is published and not used yet; its kid. To be called locked.

    Interrupted, it leaves nothing that signs: first comes the note, then the public
    half (a verifier must know a key before anybody signs with it), then the private.
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
    state.keys[kid] = key_state.Times(staged_at=datetime.now(UTC))
    key_state.save(private, state)
    write(public / f"{kid}.pem", public_pem, mode=0o444)
    write(private / f"{kid}.pem", private_pem, mode=0o400)
    return kid


def write(path: Path, content: bytes, mode: int) -> None:
    """Create `path` with `mode`, in one step; it must not exist."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        raise FileExistsError(path)
    key_state.put(path, content, mode)


def load_public_keys(folder: Path) -> dict[str, PyJWK]:
    """All public keys of a folder by kid, none of which may be bad. Raises KeyFault."""
    paths = key_state.pem_files(folder)
    if not paths:
        raise KeyMissing(f"There is no public key in {folder}.")
    return {kid: load_public_key(path) for kid, path in paths.items()}


def load_public_key(path: Path) -> PyJWK:
    """Raises KeyFault, whose cause is an OSError where the file cannot be read."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise KeyFault(f"{path} cannot be read as a public key.") from exc
    if not isinstance(key, RSAPublicKey):
        raise KeyFault(f"{path} is not an RSA key.")
    check(path, key)
    return verifying_key(key)


def load_signing_key(folder: Path) -> SigningKey:
    """The active private key of a folder. Raises KeyFault."""
    paths = key_state.pem_files(folder)
    if not paths:
        raise KeyMissing(f"There is no private key in {folder}.")
    active = key_state.load(folder).active
    if active is None:
        raise KeyMissing(f"No key in {folder} is active: `keys activate KID --now`.")
    if active not in paths:
        raise KeyMissing(f"The active key {active} is not in {folder}.")
    return load_private_key(paths[active])


def load_private_key(path: Path) -> SigningKey:
    """Raises KeyFault."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        raise KeyFault(f"{path} cannot be read as a private key.") from exc
    if not isinstance(key, RSAPrivateKey):
        raise KeyFault(f"{path} is not an RSA key.")
    check(path, key.public_key())
    return SigningKey(path.stem, key)


def check(path: Path, key: RSAPublicKey) -> None:
    """A key's size, and that its file is named by its thumbprint."""
    if not MINIMUM_BITS <= key.key_size <= MAXIMUM_BITS:
        raise KeyFault(f"{path} has {key.key_size} bits: {SIZES}.")
    if path.stem != thumbprint(key):
        raise KeyFault(f"{path} must be named {thumbprint(key)}.pem (RFC 7638).")


def verifying_key(key: RSAPublicKey) -> PyJWK:
    """The key as PyJWT takes it: bound to its algorithm, whatever a token says."""
    return PyJWK(public_jwk(key))


def thumbprint(key: RSAPublicKey) -> str:
    """The kid: SHA-256 thumbprint of the key (RFC 7638 section 3)."""
    canonical = json.dumps(jwk(key), sort_keys=True, separators=(",", ":"))
    return b64url(hashlib.sha256(canonical.encode()).digest())


def jwk(key: RSAPublicKey) -> dict[str, str]:
    """Public members of an RSA key (RFC 7518 section 6.3.1)."""
    numbers = key.public_numbers()
    return {"kty": "RSA", "n": b64uint(numbers.n), "e": b64uint(numbers.e)}


def public_jwk(key: RSAPublicKey) -> dict[str, str]:
    """The key as it is published (RFC 7517 section 4)."""
    return {**jwk(key), "use": "sig", "alg": ALGORITHM, "kid": thumbprint(key)}


def jwk_set(keys: Mapping[str, PyJWK]) -> dict[str, list[dict[str, str]]]:
    """The JWK Set (RFC 7517 section 5) of verifying keys."""
    return {"keys": [public_jwk(key.key) for key in keys.values()]}


def b64uint(number: int) -> str:
    """Base64urlUInt of RFC 7518 section 2."""
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def b64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


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
