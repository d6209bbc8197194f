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

from shared.keys import key_state, signing_keys

# RFC 7638 section 3.1: the example key and its thumbprint.
RFC_7638_N = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L"
    "6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4Qy"
    "Q5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI"
    "SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
    "kEgU8awapJzKnqDKgw"
)
RFC_7638_THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


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
    path = folder / f"{name or signing_keys.thumbprint(key)}.pem"
    path.write_bytes(pem)
    return path


def save_private(folder, key, name=None, encryption=None):
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )
    path = folder / f"{name or signing_keys.thumbprint(key.public_key())}.pem"
    path.write_bytes(pem)
    return path


def test_the_thumbprint_is_that_of_the_standards_example():
    octets = jwt.utils.base64url_decode(RFC_7638_N)
    key = RSAPublicNumbers(65537, int.from_bytes(octets, "big")).public_key()

    assert signing_keys.thumbprint(key) == RFC_7638_THUMBPRINT
    assert signing_keys.jwk(key) == {"kty": "RSA", "n": RFC_7638_N, "e": "AQAB"}


def test_generate_makes_a_pair_that_belongs_together(folder):
    signer = signing_keys.load_signing_key(folder / "private")
    public = signing_keys.load_public_keys(folder / "public")

    assert list(public) == [signer.kid]
    assert public[signer.kid].key == signer.key.public_key()
    assert signer.kid == signing_keys.thumbprint(public[signer.kid].key)


def test_a_key_knows_its_name_and_its_algorithm(folder):
    """RFC 8725 section 3.1."""
    signer = signing_keys.load_signing_key(folder / "private")
    (public,) = signing_keys.load_public_keys(folder / "public").values()

    assert (public.key_id, public.algorithm_name) == (signer.kid, "RS256")
    assert signer.algorithm == "RS256"
    assert signing_keys.ALGORITHMS == ("RS256",)


def test_nobody_else_may_read_the_private_key(folder):
    """TOK-16."""
    (private,) = (folder / "private").glob("*.pem")
    (public,) = (folder / "public").iterdir()

    assert (mode(private), mode(public)) == (0o400, 0o444)
    assert (mode(private.parent), mode(public.parent)) == (0o700, 0o700)
    assert mode(folder / "private" / "keyring.json") == 0o600
    assert len(list(private.parent.iterdir())) == 2  # and no draft of one


def test_a_key_file_is_never_overwritten(folder):
    (private,) = (folder / "private").glob("*.pem")

    with pytest.raises(FileExistsError):
        signing_keys.write(private, b"x", 0o400)


def test_the_default_size_is_the_recommended_one(tmp_path):
    kid = signing_keys.generate(tmp_path)

    assert signing_keys.load_public_keys(tmp_path / "public")[kid].key.key_size == 3072


def test_a_second_key_is_staged_and_signs_nothing_yet(tmp_path):
    """TOK-18."""
    first = signing_keys.generate(tmp_path, bits=2048)
    second = signing_keys.generate(tmp_path, bits=2048)

    assert signing_keys.load_signing_key(tmp_path / "private").kid == first
    assert set(signing_keys.load_public_keys(tmp_path / "public")) == {first, second}
    state = key_state.load(tmp_path / "private")
    assert state.keys[first].activated_at is not None
    assert state.keys[second].staged_at is not None
    assert state.keys[second].activated_at is None


def test_where_nothing_was_written_the_only_key_signs(tmp_path):
    """As in installations that are older than the file."""
    kid = signing_keys.generate(tmp_path, bits=2048)
    (tmp_path / "private" / "keyring.json").unlink()

    assert signing_keys.load_signing_key(tmp_path / "private").kid == kid


def test_of_several_none_is_guessed(tmp_path):
    for _ in range(2):
        signing_keys.generate(tmp_path, bits=2048)
    (tmp_path / "private" / "keyring.json").unlink()

    with pytest.raises(signing_keys.KeyFault, match="`keys activate KID --now`"):
        signing_keys.load_signing_key(tmp_path / "private")


def test_a_key_that_is_active_and_not_there_is_a_fault(tmp_path):
    kid = signing_keys.generate(tmp_path, bits=2048)
    signing_keys.generate(tmp_path, bits=2048)
    (tmp_path / "private" / f"{kid}.pem").unlink()

    with pytest.raises(signing_keys.KeyFault, match=f"active key {kid} is not"):
        signing_keys.load_signing_key(tmp_path / "private")


def test_a_folder_without_keys_is_a_fault(tmp_path):
    for load in (signing_keys.load_public_keys, signing_keys.load_signing_key):
        with pytest.raises(signing_keys.KeyFault, match="There is no"):
            load(tmp_path)
        with pytest.raises(signing_keys.KeyFault, match="cannot be read"):
            load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"x", b"-----BEGIN PUBLIC KEY-----\n"])
def test_a_file_that_is_no_key_is_a_fault(tmp_path, content):
    (tmp_path / "x.pem").write_bytes(content)
    for load in (signing_keys.load_public_keys, signing_keys.load_signing_key):
        with pytest.raises(signing_keys.KeyFault, match="cannot be read"):
            load(tmp_path)


def test_a_key_behind_a_password_is_a_fault(tmp_path, foreign_key):
    save_private(
        tmp_path,
        foreign_key,
        encryption=serialization.BestAvailableEncryption(b"x"),
    )

    with pytest.raises(signing_keys.KeyFault, match="cannot be read"):
        signing_keys.load_signing_key(tmp_path)


def test_another_kind_of_key_is_a_fault(tmp_path):
    key = ed25519.Ed25519PrivateKey.generate()
    for each in ("public", "private"):
        (tmp_path / each).mkdir()
    save_public(tmp_path / "public", key.public_key(), "x")
    save_private(tmp_path / "private", key, "x")

    with pytest.raises(signing_keys.KeyFault, match="not an RSA key"):
        signing_keys.load_public_keys(tmp_path / "public")
    with pytest.raises(signing_keys.KeyFault, match="not an RSA key"):
        signing_keys.load_signing_key(tmp_path / "private")


def public_key_of(bits):
    """A public key of this size. Nobody has its other half; nobody needs it."""
    return RSAPublicNumbers(65537, (1 << (bits - 1)) | 1).public_key()


@pytest.mark.parametrize("bits", [1024, 2047, 4097, 8192])
def test_a_key_of_a_wrong_size_is_a_fault(tmp_path, bits):
    """TOK-16."""
    save_public(tmp_path, public_key_of(bits))

    with pytest.raises(
        signing_keys.KeyFault, match=f"{bits} bits: a key has 2048 to 4096"
    ):
        signing_keys.load_public_keys(tmp_path)


def test_a_private_key_of_a_wrong_size_is_a_fault(tmp_path):
    small = generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    save_private(tmp_path, small)

    with pytest.raises(signing_keys.KeyFault, match="1024 bits"):
        signing_keys.load_signing_key(tmp_path)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_keys_of_these_sizes_are_taken(tmp_path, bits):
    key = public_key_of(bits)
    save_public(tmp_path, key)

    assert list(signing_keys.load_public_keys(tmp_path)) == [
        signing_keys.thumbprint(key)
    ]


@pytest.mark.parametrize("kind", ["public", "private"])
def test_a_key_under_another_name_is_a_fault(tmp_path, foreign_key, kind):
    """Its name is the kid that tokens carry."""
    if kind == "public":
        save_public(tmp_path, foreign_key.public_key(), "name")
    else:
        save_private(tmp_path, foreign_key, "name")
    load = {
        "public": signing_keys.load_public_keys,
        "private": signing_keys.load_signing_key,
    }[kind]

    with pytest.raises(signing_keys.KeyFault, match="must be named"):
        load(tmp_path)


def test_a_fault_names_the_file_and_no_content(tmp_path):
    (tmp_path / "x.pem").write_bytes(b"canary")

    with pytest.raises(signing_keys.KeyFault, match=r"x\.pem") as caught:
        signing_keys.load_public_keys(tmp_path)
    assert "canary" not in str(caught.value)


# --- The JWK Set --------------------------------------------------------------------


def test_the_key_set_has_public_members_only(folder):
    """TOK-17."""
    public = signing_keys.load_public_keys(folder / "public")

    (member,) = signing_keys.jwk_set(public)["keys"]

    assert set(member) == {"kty", "n", "e", "use", "alg", "kid"}
    assert (member["use"], member["alg"], member["kty"]) == ("sig", "RS256", "RSA")
    assert "=" not in member["n"] + member["e"] + member["kid"]


def test_pyjwt_verifies_with_the_key_set(folder):
    signer = signing_keys.load_signing_key(folder / "private")
    text = json.dumps(
        signing_keys.jwk_set(signing_keys.load_public_keys(folder / "public"))
    )
    token = jwt.encode({"a": 1}, signer.key, "RS256", headers={"kid": signer.kid})

    found = jwt.PyJWKSet.from_json(text)[signer.kid]

    assert jwt.decode(token, found, algorithms=["RS256"]) == {"a": 1}


# --- The command line ---------------------------------------------------------------


def run(*arguments):
    """`python -m shared.keys.signing_keys`, without any settings."""
    root = Path(signing_keys.__file__).parents[1]
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
    signing_keys.generate(tmp_path, bits=2048)
    (tmp_path / "public").chmod(0o700)
    for path in (tmp_path / "public").iterdir():
        path.unlink()
    save_public(tmp_path / "public", foreign_key.public_key())
    half = run("check", tmp_path)

    for failed in (nowhere, half):
        assert failed.returncode == 1
        assert failed.stdout == ""
        assert len(failed.stderr.splitlines()) == 1
    assert "public half" in half.stderr


@pytest.mark.parametrize("bits", ["2047", "4097", "0", "-1"])
def test_the_command_makes_no_key_it_would_refuse(tmp_path, bits):
    made = run("generate", tmp_path, "--bits", bits)

    assert made.returncode == 1
    assert "2048 to 4096" in made.stderr
    assert not list(tmp_path.rglob("*.pem"))
