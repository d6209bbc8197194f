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
from shared.tests.conftest import assert_problem, refused


def test_a_good_token_is_accepted(me, make_token):
    sub, sid = str(uuid.uuid4()), str(uuid.uuid4())

    answer = me(f"Bearer {make_token(sub=sub, sid=sid)}")

    assert answer.status_code == 200
    assert answer.json() == {
        "id": sub,
        "sid": sid,
        "email": "ada@example.org",
        "username": "ada",
        "roles": ["editor"],
    }


def test_what_the_forger_signs_correctly_is_accepted(header, claims, issuer_key):
    """So the refusals below are for the reason they name."""
    token = forgery.rs256(header, claims, issuer_key)

    assert access_tokens.decode(token, "access")["sid"] == claims["sid"]


# --- Algorithms (RFC 8725 section 3.1) ----------------------------------------------


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "NONE", ""])
def test_an_unsigned_token_is_refused(me, header, claims, alg):
    refused(me(f"Bearer {forgery.unsigned(header | {'alg': alg}, claims)}"))


@pytest.mark.parametrize("alg", ["none", "None", "nOnE"])
def test_a_signature_does_not_make_none_an_algorithm(
    me, header, claims, issuer_key, alg
):
    refused(me(f"Bearer {forgery.rs256(header | {'alg': alg}, claims, issuer_key)}"))


@pytest.mark.parametrize("newline", [True, False], ids=["newline", "stripped"])
def test_the_public_key_is_no_secret(me, header, claims, issuer_key, newline):
    """HS256 with the PEM as the secret: the oldest confusion of keys."""
    pem = issuer_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secret = pem if newline else pem.strip()

    refused(
        me(f"Bearer {forgery.hs256(header | {'alg': 'HS256'}, claims, secret)}"),
    )


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
def test_no_other_algorithm_of_the_same_key_is_taken(me, make_token, alg):
    refused(me(f"Bearer {make_token(algorithm=alg)}"))


def test_no_other_kind_of_key_is_taken(me, make_token):
    key = ec.generate_private_key(ec.SECP256R1())

    refused(me(f"Bearer {make_token(key=key, algorithm='ES256')}"))


@pytest.mark.parametrize("alg", [..., None, 5, ["RS256"], "rs256"], ids=repr)
def test_the_algorithm_must_be_named(me, header, claims, issuer_key, alg):
    odd = {k: v for k, v in header.items() if k != "alg"}
    odd |= {} if alg is ... else {"alg": alg}

    refused(me(f"Bearer {forgery.rs256(odd, claims, issuer_key)}"))


# --- Header (TOK-02, TOK-03) --------------------------------------------------------


@pytest.mark.parametrize(
    "kid",
    [
        pytest.param(..., id="missing"),
        pytest.param("unknown", id="unknown"),
        pytest.param("", id="empty"),
        pytest.param("../../../etc/passwd", id="traversal"),
        pytest.param("' OR '1'='1", id="quotes"),
        pytest.param("a\0b", id="nul"),
        pytest.param("k" * 10_000, id="10kB"),
        pytest.param("k" * 2_000, id="2kB"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param(None, id="null"),
        pytest.param(5, id="number"),
        pytest.param(["a"], id="list"),
        pytest.param({"a": 1}, id="object"),
    ],
)
def test_a_kid_that_is_not_ours_is_refused(me, header, claims, issuer_key, kid):
    odd = {k: v for k, v in header.items() if k != "kid"}
    odd |= {} if kid is ... else {"kid": kid}

    refused(me(f"Bearer {forgery.rs256(odd, claims, issuer_key)}"))


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"crit": ["exp"]}, id="crit-exp"),
        pytest.param({"crit": ["x"], "x": 1}, id="crit-unknown"),
        pytest.param({"crit": []}, id="crit-empty"),
        pytest.param({"crit": "exp"}, id="crit-string"),
        pytest.param({"crit": None}, id="crit-null"),
        pytest.param({"b64": False}, id="b64"),
        pytest.param({"b64": False, "crit": ["b64"]}, id="b64-crit"),
        pytest.param({"b64": True}, id="b64-true"),
        pytest.param({"b64": True, "crit": ["b64"]}, id="b64-true-crit"),
    ],
)
def test_what_must_be_understood_and_is_not_is_refused(
    me, header, claims, issuer_key, extra
):
    """RFC 7515 section 4.1.11."""
    refused(me(f"Bearer {forgery.rs256(header | extra, claims, issuer_key)}"))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_a_key_that_the_token_brings_is_not_looked_at(
    me, header, claims, foreign_key, make_token, name
):
    """Neither is it used, nor is anybody asked for it, nor does it do harm."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/jwks.json"
        brought = {
            "jku": url,
            "x5u": url,
            "jwk": signing_keys.jwk(foreign_key.public_key()),
            "x5c": ["MIIB"],
        }[name]
        forged = header | {name: brought}

        refused(me(f"Bearer {forgery.rs256(forged, claims, foreign_key)}"))
        assert me(f"Bearer {make_token(headers={name: brought})}").status_code == 200

        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_media_type_may_be_written_in_these_ways(me, make_token, typ):
    """RFC 9068 section 4."""
    assert me(f"Bearer {make_token(headers={'typ': typ})}").status_code == 200


@pytest.mark.parametrize("typ", ["JWT", "rt+jwt", "", "at", "at+jwt+x", None, 5, []])
def test_any_other_media_type_is_another_token(me, header, claims, issuer_key, typ):
    refused(me(f"Bearer {forgery.rs256(header | {'typ': typ}, claims, issuer_key)}"))


def test_a_token_without_a_media_type_is_refused(me, header, claims, issuer_key):
    del header["typ"]

    refused(me(f"Bearer {forgery.rs256(header, claims, issuer_key)}"))


@pytest.mark.parametrize(
    ("typ", "token_type"),
    [
        pytest.param("rt+jwt", "refresh", id="refresh-token"),
        pytest.param("at+jwt", "refresh", id="only-typ-says-access"),
        pytest.param("rt+jwt", "access", id="only-the-claim-says-access"),
        pytest.param("at+jwt", "verify_email", id="some-later-kind"),
    ],
)
def test_a_token_of_one_kind_is_not_taken_for_another(
    me, header, claims, issuer_key, typ, token_type
):
    odd = forgery.rs256(
        header | {"typ": typ}, claims | {"token_type": token_type}, issuer_key
    )

    refused(me(f"Bearer {odd}"))


def test_an_access_token_is_no_refresh_token(header, claims, issuer_key):
    token = forgery.rs256(header, claims, issuer_key)

    with pytest.raises(TokenInvalid):
        access_tokens.decode(token, "refresh")


# --- Signature and shape ------------------------------------------------------------


def test_a_foreign_signature_is_refused(me, make_token, foreign_key):
    refused(me(f"Bearer {make_token(key=foreign_key)}"))


def test_a_changed_payload_is_refused(me, make_token, claims):
    head, _, signature = make_token().split(".")

    refused(me(f"Bearer {head}.{forgery.part(claims)}.{signature}"))


@pytest.mark.parametrize(
    "text",
    ["x", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "=" * 10, "é.é.é", "\x7f" * 9],
)
def test_garbage_is_refused(me, trusted_kid, text):
    refused(me(f"Bearer {text}"))


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
def test_a_token_has_one_spelling(make_token, change):
    """RFC 7515 section 2: base64url without padding, and nothing around it."""
    with pytest.raises(TokenInvalid):
        access_tokens.decode(change(make_token(session=None)), "access")


def test_unused_bits_of_the_last_character_are_zero(make_token):
    """Python's decoder drops them: QQ and QR are both `A`."""
    token = make_token(session=None)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    for step in range(1, 16):  # 256 octets leave four bits of the last character
        respelt = token[:-1] + alphabet[alphabet.index(token[-1]) + step]
        assert base64.urlsafe_b64decode(f"{respelt.rpartition('.')[2]}==") == (
            base64.urlsafe_b64decode(f"{token.rpartition('.')[2]}==")
        )
        with pytest.raises(TokenInvalid):
            access_tokens.decode(respelt, "access")


def test_a_token_longer_than_any_of_ours_is_refused(make_token):
    """However well it is signed."""
    long = make_token(session=None, username="x" * 4000)
    longer = make_token(session=None, username="x" * 5000)
    assert len(long) < access_tokens.MAX_LENGTH < len(longer)

    assert access_tokens.decode(long, "access")["username"] == "x" * 4000
    with pytest.raises(TokenInvalid):
        access_tokens.decode(longer, "access")


# --- Where the keys come from -------------------------------------------------------


def test_missing_keys_are_not_the_tokens_fault(me, make_token, monkeypatch, tmp_path):
    token = make_token()
    monkeypatch.setattr(keyring, "verifying_keys", lambda: FolderKeys(tmp_path))

    assert_problem(me(f"Bearer {token}"), 503, "dependency_unavailable")


def test_what_the_source_of_the_keys_raises_passes(make_token, monkeypatch):
    """A key set that cannot be fetched must log nobody out."""

    class Away(KnownKeys):
        def find(self, kid):
            raise DependencyUnavailable

    token = make_token(session=None)
    monkeypatch.setattr(keyring, "verifying_keys", Away)

    with pytest.raises(DependencyUnavailable):
        access_tokens.decode(token, "access")


def test_no_source_is_asked_for_a_name_that_cannot_be_one(
    header, claims, issuer_key, monkeypatch
):
    asked = []
    trusted = keyring.verifying_keys()
    monkeypatch.setattr(trusted, "find", asked.append)
    for kid in (None, 5, [header["kid"]], "k" * 44, ...):
        odd = header | {"kid": kid}
        if kid is ...:
            del odd["kid"]
        with pytest.raises(TokenInvalid):
            access_tokens.decode(forgery.rs256(odd, claims, issuer_key), "access")

    assert asked == []


def test_a_key_verifies_with_its_own_algorithm_alone(
    header, claims, issuer_key, monkeypatch
):
    """RFC 8725 section 3.1: though both are allowed, and the token names the other."""
    monkeypatch.setattr(signing_keys, "ALGORITHMS", ("RS256", "RS384"))
    named = access_tokens.find_key(header, "access")
    assert (named.algorithm_name, named.key_id) == ("RS256", header["kid"])
    other = jwt.encode(claims, issuer_key, "RS384", headers=header | {"alg": "RS384"})

    with pytest.raises(TokenInvalid):
        access_tokens.decode(other, "access")


def test_the_closed_set_holds_whatever_a_key_says(make_token, monkeypatch):
    token = make_token(session=None)
    monkeypatch.setattr(signing_keys, "ALGORITHMS", ("PS256",))

    with pytest.raises(TokenInvalid):
        access_tokens.decode(token, "access")
