"""Key pairs: files, names, sizes, the command line; and the state of their folders."""

import stat
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from shared.keys import signing_keys
from shared.keys.key_store import KeyStore, active_kid
from shared.keys.signing_keys import KeyFault, load_public_keys, load_signing_key

ROOT = Path(__file__).parents[3]
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


@pytest.fixture
def halves(tmp_path):
    """Empty folders."""
    for half in ("public", "private"):
        (tmp_path / half).mkdir()
    return tmp_path


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def write(path, key, password=None):
    """A key, public or private, as a file."""
    if hasattr(key, "public_key"):
        kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        how = password or serialization.NoEncryption()
        path.write_bytes(key.private_bytes(*kinds, how))
    else:
        kinds = serialization.Encoding.PEM, serialization.PublicFormat
        path.write_bytes(key.public_bytes(kinds[0], kinds[1].SubjectPublicKeyInfo))


def refused(folder, match, halves=("public", "private")):
    for half in halves:
        load = load_public_keys if half == "public" else load_signing_key
        with pytest.raises(KeyFault, match=match) as caught:
            load(folder / half)
        assert "canary" not in str(caught.value)


def test_the_thumbprint_is_that_of_the_standards_example():
    octets = jwt.utils.base64url_decode(RFC_7638_N)
    key = RSAPublicNumbers(65537, int.from_bytes(octets, "big")).public_key()

    members = {"kty": "RSA", "n": RFC_7638_N, "e": "AQAB", "use": "sig", "alg": "RS256"}
    assert signing_keys.public_jwk(key) == {**members, "kid": RFC_7638_THUMBPRINT}


def test_only_the_owner_may_read_the_private_key(folder):
    """TOK-16. A pair has one name and one algorithm (RFC 8725 section 3.1)."""
    signer = load_signing_key(folder / "private")
    ((kid, public),) = load_public_keys(folder / "public").items()
    assert public.key == signer.key.public_key()
    assert kid == signer.kid == public.key_id == signing_keys.thumbprint(public.key)
    assert public.algorithm_name == "RS256"
    assert signing_keys.ALGORITHMS == ("RS256",)

    private = folder / "private"
    modes = {path.name: mode(path) for path in private.iterdir()}
    assert modes == {f"{kid}.pem": 0o400, "active": 0o600}  # and no draft of one
    assert mode(folder / "public" / f"{kid}.pem") == 0o444
    assert (mode(private), mode(folder / "public")) == (0o700, 0o700)


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


def test_a_fault_names_the_file_and_no_content(halves):
    refused(halves / "nowhere", "cannot be read")
    refused(halves, "There is no public key|No key in .* is active")
    for content in (b"", b"canary", b"-----BEGIN PUBLIC KEY-----\n"):
        for half in ("public", "private"):
            (halves / half / "x.pem").write_bytes(content)
        refused(halves, r"x\.pem cannot be read")


def test_a_key_that_we_do_not_use_is_a_fault(halves, foreign_key):
    """TOK-16. The name of a file is the kid that tokens carry."""
    other = ed25519.Ed25519PrivateKey.generate()
    password = serialization.BestAvailableEncryption(b"x")
    private, public = halves / "private" / "x.pem", halves / "public" / "x.pem"
    for key, fault in ((other, "not an RSA key"), (foreign_key, "must be named")):
        write(private, key)
        write(public, key.public_key())
        refused(halves, fault)

    write(private, foreign_key, password)
    refused(halves, "cannot be read", halves=["private"])


@pytest.mark.parametrize("bits", [1024, 2047, 2048, 3072, 4096, 4097, 8192])
def test_keys_of_2048_to_4096_bits_are_accepted(halves, bits):
    """TOK-16. Nor is one made that would be refused."""
    key = RSAPublicNumbers(65537, (1 << (bits - 1)) | 1).public_key()
    kid = signing_keys.thumbprint(key)
    write(halves / "public" / f"{kid}.pem", key)

    if 2048 <= bits <= 4096:
        assert list(load_public_keys(halves / "public")) == [kid]
        return
    refused(halves, f"{bits} bits: a key must have 2048 to 4096", halves=["public"])
    with pytest.raises(KeyFault, match="2048 to 4096"):
        signing_keys.generate(halves / "new", bits)
    assert not list((halves / "new").rglob("*.pem"))


def test_the_command_makes_a_pair_of_the_recommended_size_without_settings(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "shared.keys.signing_keys", tmp_path],
        check=True,
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
    )

    ((kid, public),) = load_public_keys(tmp_path / "public").items()
    assert public.key.key_size == 3072
    assert load_signing_key(tmp_path / "private").kid == kid


# --- Their state, which is what the files say ----------------------------------------


@pytest.fixture
def store(halves):
    """Two pairs, of which the first signs."""
    store = KeyStore(halves / "public", halves / "private")
    for kid in ("first-kid", "other-kid"):
        store.public_half(kid).touch()
        store.private_half(kid).touch()
    (store.private / "active").write_text("first-kid")
    return store


def test_a_key_is_named_by_six_characters_that_no_other_key_begins_with(store):
    assert store.resolve_kid("first-") == "first-kid"
    (store.public / "first-born.pem").touch()
    for bad in ("", "first", "first-", "x" * 43, "../../etc", "a\0bcdefg"):
        with pytest.raises(KeyFault, match="does not name exactly one key"):
            store.resolve_kid(bad)


def test_a_superseded_key_may_come_back_and_an_unreadable_state_is_a_fault(store):
    for kid in ("other-kid", "first-kid"):
        store.activate(kid)
        assert [each for each in store.kids() if store.stage(each) == "active"] == [kid]
    (store.private / "active").unlink()
    store.activate("other-kid")  # where none was known to sign, each may have
    assert store.stage("first-kid") == "superseded"
    (store.private / "active").unlink()
    (store.private / "active").mkdir()
    with pytest.raises(KeyFault, match="active cannot be read"):
        active_kid(store.private)
