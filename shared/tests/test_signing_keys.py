"""Key pairs: files, names, sizes, the JWK Set, the command line."""

import json
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
LOADERS = [load_public_keys, load_signing_key]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with one key pair, made by `generate`."""
    folder = tmp_path_factory.mktemp("keys")
    signing_keys.generate(folder, bits=2048)
    return folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def save_public(folder, key, name=None):
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / f"{name or signing_keys.thumbprint(key)}.pem").write_bytes(pem)


def save_private(folder, key, name=None, encryption=None):
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )
    name = name or signing_keys.thumbprint(key.public_key())
    (folder / f"{name}.pem").write_bytes(pem)


def public_key_of(bits):
    """A public key of this size. It has no private half, and needs none."""
    return RSAPublicNumbers(65537, (1 << (bits - 1)) | 1).public_key()


def test_the_thumbprint_is_that_of_the_standards_example():
    octets = jwt.utils.base64url_decode(RFC_7638_N)
    key = RSAPublicNumbers(65537, int.from_bytes(octets, "big")).public_key()

    assert signing_keys.thumbprint(key) == RFC_7638_THUMBPRINT
    assert signing_keys.jwk(key) == {"kty": "RSA", "n": RFC_7638_N, "e": "AQAB"}


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
    assert mode(folder / "private" / "keyring.json") == 0o600
    assert len(list(private.parent.iterdir())) == 2  # and no draft of one


def test_the_default_size_is_the_recommended_one(tmp_path):
    kid = signing_keys.generate(tmp_path)

    assert load_public_keys(tmp_path / "public")[kid].key.key_size == 3072


def test_a_second_key_is_staged_and_does_not_sign_yet(tmp_path):
    """TOK-18."""
    first = signing_keys.generate(tmp_path, bits=2048)
    second = signing_keys.generate(tmp_path, bits=2048)

    assert load_signing_key(tmp_path / "private").kid == first
    assert set(load_public_keys(tmp_path / "public")) == {first, second}
    state = json.loads((tmp_path / "private" / "keyring.json").read_text())
    assert state["active"] == first
    assert state["keys"][second]["staged_at"] is not None
    assert state["keys"][second]["activated_at"] is None


def test_without_a_state_file_the_only_key_signs(tmp_path):
    """As in installations that are older than the file."""
    kid = signing_keys.generate(tmp_path, bits=2048)
    (tmp_path / "private" / "keyring.json").unlink()

    assert load_signing_key(tmp_path / "private").kid == kid


def test_without_a_state_file_none_of_several_is_guessed(tmp_path):
    for _ in range(2):
        signing_keys.generate(tmp_path, bits=2048)
    (tmp_path / "private" / "keyring.json").unlink()

    with pytest.raises(KeyFault, match="`keys activate KID --now`"):
        load_signing_key(tmp_path / "private")


def test_an_active_key_that_is_missing_is_a_fault(tmp_path):
    kid = signing_keys.generate(tmp_path, bits=2048)
    signing_keys.generate(tmp_path, bits=2048)
    (tmp_path / "private" / f"{kid}.pem").unlink()

    with pytest.raises(KeyFault, match=f"active key {kid} is not"):
        load_signing_key(tmp_path / "private")


@pytest.mark.parametrize("load", LOADERS)
def test_a_folder_without_keys_is_a_fault(tmp_path, load):
    with pytest.raises(KeyFault, match="There is no"):
        load(tmp_path)
    with pytest.raises(KeyFault, match="cannot be read"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("content", [b"", b"canary", b"-----BEGIN PUBLIC KEY-----\n"])
def test_a_fault_names_the_file_and_no_content(tmp_path, content, load):
    (tmp_path / "x.pem").write_bytes(content)

    with pytest.raises(KeyFault, match=r"x\.pem cannot be read") as caught:
        load(tmp_path)
    assert "canary" not in str(caught.value)


def test_a_key_behind_a_password_is_a_fault(tmp_path, foreign_key):
    password = serialization.BestAvailableEncryption(b"x")
    save_private(tmp_path, foreign_key, encryption=password)

    with pytest.raises(KeyFault, match="cannot be read"):
        load_signing_key(tmp_path)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        pytest.param(ed25519.Ed25519PrivateKey.generate, "not an RSA key", id="kind"),
        pytest.param(
            lambda: generate_private_key(65537, 1024),  # noqa: S505
            "1024 bits: a key has 2048 to 4096",
            id="size",
        ),
        pytest.param(
            lambda: generate_private_key(65537, 2048), "must be named", id="name"
        ),
    ],
)
def test_a_key_that_we_do_not_use_is_a_fault(tmp_path, make, fault):
    """TOK-16. The name of a file is the kid that tokens carry."""
    key, name = make(), "name"
    if fault.startswith("1024"):
        name = None
    for half in ("public", "private"):
        (tmp_path / half).mkdir()
    save_public(tmp_path / "public", key.public_key(), name)
    save_private(tmp_path / "private", key, name)

    for load, half in zip(LOADERS, ("public", "private"), strict=True):
        with pytest.raises(KeyFault, match=fault):
            load(tmp_path / half)


@pytest.mark.parametrize("bits", [1024, 2047, 4097, 8192])
def test_a_key_of_a_wrong_size_is_a_fault(tmp_path, bits):
    """TOK-16."""
    save_public(tmp_path, public_key_of(bits))

    with pytest.raises(KeyFault, match=f"{bits} bits: a key has 2048 to 4096"):
        load_public_keys(tmp_path)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_keys_of_these_sizes_are_accepted(tmp_path, bits):
    key = public_key_of(bits)
    save_public(tmp_path, key)

    assert list(load_public_keys(tmp_path)) == [signing_keys.thumbprint(key)]


# --- The JWK Set --------------------------------------------------------------------


def test_the_key_set_has_public_members_only_and_pyjwt_verifies_with_it(folder):
    """TOK-17."""
    text = json.dumps(signing_keys.jwk_set(load_public_keys(folder / "public")))
    signer = load_signing_key(folder / "private")
    token = jwt.encode({"a": 1}, signer.key, "RS256", headers={"kid": signer.kid})

    (member,) = json.loads(text)["keys"]
    found = jwt.PyJWKSet.from_json(text)[signer.kid]

    assert set(member) == {"kty", "n", "e", "use", "alg", "kid"}
    assert (member["use"], member["alg"], member["kty"]) == ("sig", "RS256", "RSA")
    assert "=" not in member["n"] + member["e"] + member["kid"]
    assert jwt.decode(token, found, algorithms=["RS256"]) == {"a": 1}


# --- The command line ---------------------------------------------------------------


def run(*arguments):
    """`python -m shared.keys.signing_keys`, without any settings."""
    root = Path(signing_keys.__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", "shared.keys.signing_keys", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env={"PATH": "", "PYTHONPATH": str(root)},
    )


def test_the_command_makes_a_pair_and_checks_it(tmp_path):
    made = run("generate", tmp_path, "--bits", "2048")
    kid = made.stdout.strip()
    assert (made.returncode, made.stderr) == (0, "")

    checked = run("check", tmp_path)

    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == f"signs with {kid}, verifies {kid}\n"


def test_the_check_says_what_is_wrong_in_one_line(tmp_path, foreign_key):
    nowhere = run("check", tmp_path)
    kid = signing_keys.generate(tmp_path, bits=2048)
    (tmp_path / "public" / f"{kid}.pem").unlink()
    save_public(tmp_path / "public", foreign_key.public_key())
    half = run("check", tmp_path)

    for failed in (nowhere, half):
        assert (failed.returncode, failed.stdout) == (1, "")
        assert len(failed.stderr.splitlines()) == 1
    assert "public half" in half.stderr


@pytest.mark.parametrize("bits", ["2047", "4097", "0", "-1"])
def test_the_command_makes_no_key_it_would_refuse(tmp_path, bits):
    made = run("generate", tmp_path, "--bits", bits)

    assert made.returncode == 1
    assert "2048 to 4096" in made.stderr
    assert not list(tmp_path.rglob("*.pem"))
