"""Access tokens: every attack and every oddity is a 401, never a 500 (TOK-01 to 21).

Their claims and times are the subject of `test_token_claims`.
"""

import base64
import socket
import string
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.api.exceptions import DependencyUnavailable, TokenInvalid
from shared.auth import access_tokens
from shared.keys import keyring, signing_keys
from shared.keys.keyring import FolderKeys
from shared.testing import KnownKeys
from shared.tests import forgery
from shared.tests.conftest import assert_problem


def invalid(token, kind="access"):
    with pytest.raises(TokenInvalid):
        access_tokens.decode(token, kind)


def test_a_good_token_is_accepted(me, make_token):
    sub, sid = str(uuid.uuid4()), str(uuid.uuid4())

    answer = me(f"Bearer {make_token(sub=sub, sid=sid)}")

    assert answer.status_code == 200
    user = {"email": "ada@example.org", "username": "ada", "roles": ["editor"]}
    assert answer.json() == {"id": sub, "sid": sid} | user


def test_what_the_forger_signs_correctly_is_accepted(sign, claims):
    """So the refusals below are for the reason they name."""
    assert access_tokens.decode(sign(), "access")["sid"] == claims["sid"]


# --- Algorithms (RFC 8725 section 3.1) ----------------------------------------------


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "NONE", ""])
def test_an_unsigned_token_is_refused(refused, header, claims, alg):
    refused(forgery.unsigned(header | {"alg": alg}, claims))


@pytest.mark.parametrize("alg", ["none", "None", "nOnE"])
def test_a_signature_does_not_make_none_an_algorithm(refused, sign, alg):
    refused(sign({"alg": alg}))


@pytest.mark.parametrize("newline", [True, False], ids=["newline", "stripped"])
def test_the_public_key_is_no_secret(refused, header, claims, issuer_key, newline):
    """HS256 with the PEM as the secret: the oldest confusion of keys."""
    pem = issuer_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secret = pem if newline else pem.strip()

    refused(forgery.hs256(header | {"alg": "HS256"}, claims, secret))


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
def test_no_other_algorithm_of_the_same_key_is_taken(refused, make_token, alg):
    refused(make_token(algorithm=alg))


def test_no_other_kind_of_key_is_taken(refused, make_token):
    key = ec.generate_private_key(ec.SECP256R1())

    refused(make_token(key=key, algorithm="ES256"))


@pytest.mark.parametrize("alg", [..., None, 5, ["RS256"], "rs256"], ids=repr)
def test_the_algorithm_must_be_named(refused, sign, alg):
    refused(sign({"alg": alg}))


# --- Header (TOK-02, TOK-03) --------------------------------------------------------


@pytest.mark.parametrize(
    "kid",
    [
        *(..., None, 5, ["a"], {"a": 1}),
        *("unknown", "", "../../../etc/passwd", "' OR '1'='1", "a\0b"),
        pytest.param("k" * 10_000, id="10kB"),
        pytest.param("k" * 2_000, id="2kB"),
        pytest.param("\ud800", id="surrogate"),
    ],
    ids=repr,
)
def test_a_kid_that_is_not_ours_is_refused(refused, sign, kid):
    refused(sign({"kid": kid}))


@pytest.mark.parametrize(
    "extra",
    [
        *({"crit": crit} for crit in (["exp"], [], "exp", None)),
        {"crit": ["x"], "x": 1},
        *({"b64": b64} for b64 in (False, True)),
        *({"b64": b64, "crit": ["b64"]} for b64 in (False, True)),
    ],
    ids=repr,
)
def test_what_must_be_understood_and_is_not_is_refused(refused, sign, extra):
    """RFC 7515 section 4.1.11."""
    refused(sign(extra))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_a_key_that_the_token_brings_is_not_looked_at(
    me, refused, sign, foreign_key, make_token, name
):
    """It is not used, no server is asked for it, and it does no harm."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/jwks.json"
        jwk = signing_keys.public_jwk(foreign_key.public_key())
        keys = {"jku": url, "x5u": url, "jwk": jwk, "x5c": ["MIIB"]}
        brought = {name: keys[name]}

        refused(sign(brought, key=foreign_key))
        assert me(f"Bearer {make_token(headers=brought)}").status_code == 200

        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_media_type_may_be_written_in_these_ways(me, make_token, typ):
    """RFC 9068 section 4."""
    assert me(f"Bearer {make_token(headers={'typ': typ})}").status_code == 200


@pytest.mark.parametrize(
    "typ", [..., "JWT", "rt+jwt", "", "at", "at+jwt+x", None, 5, []]
)
def test_any_other_media_type_is_another_token(refused, sign, typ):
    refused(sign({"typ": typ}))


@pytest.mark.parametrize(
    ("typ", "token_type"),
    [
        pytest.param("rt+jwt", "refresh", id="refresh-token"),
        pytest.param("at+jwt", "refresh", id="only-typ-says-access"),
        pytest.param("rt+jwt", "access", id="only-the-claim-says-access"),
        pytest.param("at+jwt", "verify_email", id="some-later-kind"),
    ],
)
def test_a_token_of_one_kind_is_not_taken_for_another(refused, sign, typ, token_type):
    refused(sign({"typ": typ}, {"token_type": token_type}))
    invalid(sign(), "refresh")


# --- Signature and shape ------------------------------------------------------------


def test_a_foreign_signature_or_a_changed_payload_is_refused(
    refused, make_token, claims, foreign_key
):
    refused(make_token(key=foreign_key))
    head, _, signature = make_token().split(".")
    refused(f"{head}.{forgery.part(claims)}.{signature}")


@pytest.mark.parametrize(
    "text",
    ["x", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "=" * 10, "é.é.é", "\x7f" * 9],
)
def test_garbage_is_refused(refused, trusted_kid, text):
    refused(text)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: f"{t}=", id="padding"),
        pytest.param(lambda t: f"{t}==", id="whole-padding"),
        pytest.param(lambda t: t.replace(".", "==.", 1), id="padded-header"),
        pytest.param(lambda t: f"{t}\n", id="newline"),
        pytest.param(lambda t: t.replace(".", "..", 1), id="empty-segment"),
        pytest.param(lambda t: f"{t}.", id="four-segments"),
        pytest.param(lambda t: t.partition(".")[2], id="two-segments"),
        pytest.param(lambda t: f"*{t}", id="not-base64"),
        pytest.param(lambda t: f"A{t}", id="length-that-nothing-has"),
        pytest.param(lambda t: f"{t[:20]} {t[20:]}", id="space-in-the-header"),
        pytest.param(lambda t: f"{t[:-20]} {t[-20:]}", id="space-in-the-signature"),
        pytest.param(lambda t: f"\u00e9{t}", id="not-ascii"),
        pytest.param(lambda t: f"{t}\ud800", id="surrogate"),
        pytest.param(lambda t: "", id="nothing"),
    ],
)
def test_a_token_has_one_spelling(sign, change):
    """RFC 7515 section 2: base64url without padding, and nothing around it."""
    invalid(change(sign()))


def test_unused_bits_of_the_last_character_are_zero(sign):
    """Python's decoder drops them: QQ and QR are both `A`."""
    token = sign()
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    for step in range(1, 16):  # 256 octets leave four bits of the last character
        respelt = token[:-1] + alphabet[alphabet.index(token[-1]) + step]
        assert base64.urlsafe_b64decode(f"{respelt.rpartition('.')[2]}==") == (
            base64.urlsafe_b64decode(f"{token.rpartition('.')[2]}==")
        )
        invalid(respelt)


def test_a_token_longer_than_any_of_ours_is_refused(make_token):
    """However well it is signed."""
    long = make_token(session=None, username="x" * 4000)
    longer = make_token(session=None, username="x" * 5000)
    assert len(long) < access_tokens.MAX_LENGTH < len(longer)

    assert access_tokens.decode(long, "access")["username"] == "x" * 4000
    invalid(longer)


# --- Where the keys come from -------------------------------------------------------


def test_missing_keys_are_not_the_tokens_fault(me, make_token, monkeypatch, tmp_path):
    """A key set that cannot be fetched must not log any user out."""
    token = make_token()
    monkeypatch.setattr(keyring, "verifying_keys", lambda: FolderKeys(tmp_path))
    assert_problem(me(f"Bearer {token}"), 503, "dependency_unavailable")

    class Unavailable(KnownKeys):
        def find(self, kid):
            raise DependencyUnavailable

    monkeypatch.setattr(keyring, "verifying_keys", Unavailable)
    with pytest.raises(DependencyUnavailable):
        access_tokens.decode(token, "access")


def test_no_source_is_asked_for_a_name_that_cannot_be_one(sign, header, monkeypatch):
    asked = []
    monkeypatch.setattr(keyring.verifying_keys(), "find", asked.append)
    for kid in (None, 5, [header["kid"]], "k" * 44, ...):
        invalid(sign({"kid": kid}))

    assert asked == []


def test_a_key_verifies_with_its_own_algorithm_alone(
    header, claims, issuer_key, monkeypatch
):
    """RFC 8725 section 3.1: though both are allowed, and the token names the other."""
    monkeypatch.setattr(signing_keys, "ALGORITHMS", ("RS256", "RS384"))
    named = access_tokens.find_key(header, "access")
    assert (named.algorithm_name, named.key_id) == ("RS256", header["kid"])

    invalid(jwt.encode(claims, issuer_key, "RS384", header | {"alg": "RS384"}))


def test_the_closed_set_holds_whatever_a_key_says(sign, monkeypatch):
    monkeypatch.setattr(signing_keys, "ALGORITHMS", ("PS256",))

    invalid(sign())
