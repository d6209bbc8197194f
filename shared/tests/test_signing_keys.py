"""Key pairs: files, names, sizes, the command line."""

import stat
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPublicNumbers,
    generate_private_key,
)

from shared.keys import signing_keys
from shared.keys.signing_keys import KeyFault, load_public_keys, load_signing_key

# RFC 7638 section 3.1: the example key and its thumbprint.
RFC_7638_N = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L"
    "6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4Qy"
    "Q5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI"
    "SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
    "kEgU8awapJzKnqDKgw"
)
RFC_7638_THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.fixture
def folder(tmp_path):
    """Key folders with one pair."""
    signing_keys.generate(tmp_path, bits=2048)
    return tmp_path


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def save(folder, key, name=None, password=None):
    """Both halves of a private key; of a public key, which needs no other, that one."""
    public = key.public_key() if hasattr(key, "public_key") else key
    name = f"{name or signing_keys.thumbprint(public)}.pem"
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for half in ("public", "private"):
        (folder / half).mkdir(exist_ok=True)
    (folder / "public" / name).write_bytes(pem)
    if public is not key:
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            password or serialization.NoEncryption(),
        )
        (folder / "private" / name).write_bytes(pem)


def refused(folder, match, halves=("public", "private")):
    for half in halves:
        load = load_public_keys if half == "public" else load_signing_key
        with pytest.raises(KeyFault, match=match) as caught:
            load(folder / half)
        assert "canary" not in str(caught.value)


def test_the_thumbprint_is_that_of_the_standards_example():
    octets = jwt.utils.base64url_decode(RFC_7638_N)
    key = RSAPublicNumbers(65537, int.from_bytes(octets, "big")).public_key()

    assert signing_keys.thumbprint(key) == RFC_7638_THUMBPRINT
    members = {"kty": "RSA", "n": RFC_7638_N, "e": "AQAB", "use": "sig", "alg": "RS256"}
    assert signing_keys.public_jwk(key) == {**members, "kid": RFC_7638_THUMBPRINT}


def test_generate_makes_a_pair_with_one_name_and_one_algorithm(folder):
    """RFC 8725 section 3.1."""
    signer = load_signing_key(folder / "private")
    ((kid, public),) = load_public_keys(folder / "public").items()

    assert public.key == signer.key.public_key()
    assert kid == signer.kid == public.key_id == signing_keys.thumbprint(public.key)
    assert signer.algorithm == public.algorithm_name == "RS256"
    assert signing_keys.ALGORITHMS == ("RS256",)


def test_only_the_owner_may_read_the_private_key(folder):
    """TOK-16."""
    (private,) = (folder / "private").glob("*.pem")
    (public,) = (folder / "public").iterdir()

    assert (mode(private), mode(public)) == (0o400, 0o444)
    assert (mode(private.parent), mode(public.parent)) == (0o700, 0o700)
    assert mode(folder / "private" / "active") == 0o600
    assert len(list(private.parent.iterdir())) == 2  # and no draft of one


def test_no_kid_begins_with_a_hyphen(tmp_path, monkeypatch):
    """A command line would take it for an option."""
    kids = iter(["-a", "-b", "c", "c"])
    monkeypatch.setattr(signing_keys, "thumbprint", lambda key: next(kids))

    assert signing_keys.generate(tmp_path, bits=2048) == "c"


def test_an_only_key_signs_unnamed_and_of_several_none_is_guessed(folder):
    """TOK-18. A second key is staged and does not sign yet."""
    first = load_signing_key(folder / "private").kid
    active = folder / "private" / "active"
    active.unlink()
    second = signing_keys.generate(folder, bits=2048)
    assert load_signing_key(folder / "private").kid == first
    assert set(load_public_keys(folder / "public")) == {first, second}

    active.unlink()

    refused(folder, "`keys activate KID --now`", halves=["private"])


def test_a_folder_without_keys_is_a_fault(tmp_path):
    refused(tmp_path / "nowhere", "cannot be read")
    for half in ("public", "private"):
        (tmp_path / half).mkdir()
    refused(tmp_path, "There is no public key|No key in .* is active")


@pytest.mark.parametrize("content", [b"", b"canary", b"-----BEGIN PUBLIC KEY-----\n"])
def test_a_fault_names_the_file_and_no_content(tmp_path, content):
    for half in ("public", "private"):
        (tmp_path / half).mkdir()
        (tmp_path / half / "x.pem").write_bytes(content)

    refused(tmp_path, r"x\.pem cannot be read")


def test_a_key_behind_a_password_is_a_fault(tmp_path, foreign_key):
    save(tmp_path, foreign_key, password=serialization.BestAvailableEncryption(b"x"))

    refused(tmp_path, "cannot be read", halves=["private"])


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (ed25519.Ed25519PrivateKey.generate, "not an RSA key"),
        (lambda: generate_private_key(65537, 2048), "must be named"),
    ],
    ids=["kind", "name"],
)
def test_a_key_that_we_do_not_use_is_a_fault(tmp_path, make, fault):
    """TOK-16. The name of a file is the kid that tokens carry."""
    save(tmp_path, make(), name="x")

    refused(tmp_path, fault)


@pytest.mark.parametrize("bits", [1024, 2047, 2048, 3072, 4096, 4097, 8192])
def test_keys_of_2048_to_4096_bits_are_accepted(tmp_path, bits):
    """TOK-16."""
    key = RSAPublicNumbers(65537, (1 << (bits - 1)) | 1).public_key()
    save(tmp_path, key)

    if 2048 <= bits <= 4096:
        kids = list(load_public_keys(tmp_path / "public"))
        assert kids == [signing_keys.thumbprint(key)]
    else:
        fault = f"{bits} bits: a key has 2048 to 4096"
        refused(tmp_path, fault, halves=["public"])


@pytest.mark.parametrize("bits", [2047, 4097, 0, -1])
def test_no_key_is_made_that_would_be_refused(tmp_path, bits):
    with pytest.raises(KeyFault, match="2048 to 4096"):
        signing_keys.generate(tmp_path, bits)

    assert not list(tmp_path.rglob("*.pem"))


def test_the_command_makes_a_pair_of_the_recommended_size_without_settings(tmp_path):
    root = Path(signing_keys.__file__).parents[2]
    subprocess.run(
        [sys.executable, "-m", "shared.keys.signing_keys", tmp_path],
        check=True,
        cwd=root,
        env={"PATH": "", "PYTHONPATH": str(root)},
    )

    ((kid, public),) = load_public_keys(tmp_path / "public").items()
    assert public.key.key_size == 3072
    assert load_signing_key(tmp_path / "private").kid == kid
