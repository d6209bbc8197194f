"""Access tokens: every attack and every oddity is a 401, never a 500 (TOK-01 to 21)."""

import socket
import string
import time
import uuid
from unittest.mock import Mock

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.api.exceptions import DependencyUnavailable, TokenInvalid
from shared.auth import access_tokens
from shared.keys import keyring, signing_keys
from shared.keys.keyring import FolderKeys
from shared.metrics import tokens_not_yet_valid_total
from shared.tests import forgery
from shared.tests.conftest import assert_problem


def invalid(token, kind="access", **options):
    with pytest.raises(TokenInvalid):
        access_tokens.decode(token, kind, **options)


def odd_values(table):
    """Each name with each of its values."""
    return [
        pytest.param(name, value, id=f"{name}-{str(value)[:20]!r}")
        for name, values in table.items()
        for value in values
    ]


def test_a_good_token_is_accepted(me, make_token, sign, claims):
    """What the forger signs correctly, too: refusals are for the reason they name."""
    sub, sid = str(uuid.uuid4()), str(uuid.uuid4())
    answer = me(f"Bearer {make_token(sub=sub, sid=sid, aud=['other', 'memo'])}")
    user = {"email": "ada@example.org", "username": "ada", "roles": ["editor"]}

    found = answer.json()
    assert abs(found.pop("auth_time") - time.time()) < 10
    level = {"acr": "aal1", "amr": ["pwd"], "epoch": 0}
    assert found == {"id": sub, "sid": sid, "email_verified": False} | user | level
    level = {"acr": "aal2", "amr": ["swk", "user"], "epoch": 5}
    answer = me(f"Bearer {make_token(**level)}").json()
    assert answer | level == answer
    answer = me(f"Bearer {make_token(email_verified=True)}")
    assert answer.json()["email_verified"] is True
    assert access_tokens.decode(sign(), "access")["sid"] == claims["sid"]
    named = ("email", "email_verified", "username", "roles", "auth_time", "acr", "amr")
    answer = me(f"Bearer {make_token(**dict.fromkeys(named))}").json()
    assert [answer[name] for name in named] == ["", False, "", [], 0, "aal1", []]


# --- Algorithms and header (RFC 8725 section 3.1, TOK-02, TOK-03) -------------------


@pytest.mark.parametrize("newline", [True, False], ids=["newline", "stripped"])
def test_the_public_key_is_no_secret(refused, header, claims, issuer_key, newline):
    """HS256 with the PEM as the secret: the oldest confusion of keys."""
    pem = issuer_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secret = pem if newline else pem.strip()

    refused(forgery.hs256(header | {"alg": "HS256"}, claims, secret))


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256", "ES256"])
def test_no_other_algorithm_is_taken(refused, make_token, alg, issuer_key):
    other = ec.generate_private_key(ec.SECP256R1())

    refused(make_token(key=other if alg == "ES256" else issuer_key, algorithm=alg))


ODD_HEADERS = {
    "alg": [..., None, 5, ["RS256"], "rs256", "none", "None", "nOnE", "NONE", ""],
    "kid": [
        *(..., None, 5, ["a"], {"a": 1}, "k" * 10_000, "k" * 2_000, "\ud800"),
        *("unknown", "", "../../../etc/passwd", "' OR '1'='1", "a\0b"),
    ],
    # What must be understood and is not (RFC 7515 section 4.1.11, RFC 7797).
    "crit": [["exp"], [], "exp", None, ["x"], ["b64"]],
    "b64": [False, True],
    # Another type is another kind of token (RFC 9068 section 4).
    "typ": [..., "JWT", "rt+jwt", "enrol+jwt", "", "at", "at+jwt+x", None, 5, []],
}


@pytest.mark.parametrize(("name", "value"), odd_values(ODD_HEADERS))
def test_an_odd_header_is_401(refused, sign, header, claims, name, value):
    """Signed or not."""
    named = {"x": 1, "b64": True if value == ["b64"] else ...}
    refused(sign(named | {name: value}))
    if value is not ...:
        refused(forgery.unsigned(header | {name: value}, claims))


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
def test_a_token_of_one_kind_is_not_taken_for_another(sign, typ):
    """The media type may be written in these ways (RFC 9068 section 4)."""
    token = sign({"typ": typ})
    assert access_tokens.decode(token, "access")
    for kind in ("refresh", "enrol"):
        invalid(token, kind)
        invalid(sign({"typ": typ}, {"token_type": kind}), "access")


# --- Signature and shape ------------------------------------------------------------


def test_a_foreign_signature_or_a_changed_payload_is_refused(
    refused, make_token, claims, foreign_key
):
    """It is checked before the times: of no forgery it is said that it has expired."""
    for changes in ({}, {"exp": 1}):
        refused(make_token(key=foreign_key, **changes))
    head, _, signature = make_token().split(".")
    refused(f"{head}.{forgery.part(claims)}.{signature}")


GARBAGE = ["", "x", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "=" * 10, "é.é.é"]
SPELLINGS = [
    *("{}=", "{}==", "{}\n", "{}.", "*{}", "A{}", "\u00e9{}", "{}\ud800"),
    *("{0[0]}==.{0[1]}.{0[2]}", "{0[0]}..{0[1]}.{0[2]}", "{0[1]}.{0[2]}"),
    *("{0[0]} .{0[1]}.{0[2]}", "{0[0]}.{0[1]}. {0[2]}"),
]
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def test_a_token_has_one_spelling(sign):
    """RFC 7515 section 2: base64url without padding, and nothing around it. Python's
    decoder drops the unused bits of the last character: QQ and QR are both `A`."""
    token = sign()
    for spelling in SPELLINGS:
        parts = token.split(".") if "[" in spelling else token
        invalid(spelling.format(parts))
    for step in range(1, 16):  # 256 octets leave four bits of the last character
        invalid(token[:-1] + ALPHABET[ALPHABET.index(token[-1]) + step])
    for text in GARBAGE:
        invalid(text)


def test_a_token_longer_than_any_of_ours_is_refused(sign):
    """However well it is signed."""
    long, longer = (sign({}, {"username": "x" * n}) for n in (4000, 5000))
    assert len(long) < access_tokens.MAX_LENGTH < len(longer)
    assert access_tokens.decode(long, "access")["username"] == "x" * 4000
    invalid(longer)


# --- Claims (TOK-04, TOK-13) --------------------------------------------------------

INFINITE, NAN = float("inf"), float("nan")  # as no JSON but Python's has
# One session has one key in Redis, and so its id one spelling.
ID = uuid.UUID(int=10**38)
SPELT = [str(ID).upper(), ID.hex, f"{{{ID}}}"]
ODD_CLAIMS = {
    "iss": ["https://evil.example", "https://memo.example/", "", ["x"], 5],
    "aud": ["other", "", ["other"], [], 5, {"memo": 1}],
    "sub": ["abc", "", 5, ["a"], {"a": 1}, *SPELT, "a\0", "\ud800", True, 2**127],
    "sid": ["abc", "", 5, ["a"], {"a": 1}, *SPELT, "../x"],
    "jti": ["abc", "", 5, ["a"], {"a": 1}, *SPELT],
    "iat": ["x", "", ["a"], {"a": 1}, -1, 1.5, -(10**30), INFINITE, NAN],
    "exp": [
        *("x", "", ["a"], {"a": 1}, "99999999999"),
        *(10**15, 10**400, 2.0**40, INFINITE, -INFINITE, NAN),
    ],
    "token_type": ["refresh", "Access", "", 5, ["access"]],
}
# Every one of these is needed; these may be left out.
ODD_CLAIMS = {name: [..., None, *values] for name, values in ODD_CLAIMS.items()} | {
    "nbf": ["x", ["a"], {"a": 1}],
    "auth_time": ["x", -1, 1.5, True, 10**15, ["a"]],
    "email": [5, ["a"], {"a": 1}],
    "username": [5, ["a"], {"a": 1}],
    "email_verified": ["true", "", 0, 1, [False], {"a": True}],
    "acr": [5, ["aal2"], {"aal2": 1}, True],
    "amr": [5, "otp", {"otp": 1}, [5], [None]],
    "epoch": ["x", "5", 1.5, True, [5], INFINITE],
    "roles": [5, "admin", {"admin": 1}, [5], [["admin"]], [None]],
}


@pytest.mark.parametrize(("name", "value"), odd_values(ODD_CLAIMS))
def test_an_odd_claim_is_401(refused, sign, name, value):
    """Also where times do not matter."""
    token = sign({}, {name: value})
    refused(token)
    invalid(token, verify_times=False)


@pytest.mark.parametrize(
    "octets", [b"[]", b"5", b"null", b"", b"{", b"\xff", b"[" * 1500]
)
def test_a_part_that_is_no_object_is_401(refused, sign, octets):
    refused(sign(octets))
    refused(sign({}, octets))


# --- Times (TOK-12) -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "seconds", "code"),
    [
        *((claim, 8, None) for claim in ("iat", "nbf")),
        *((claim, 15, "token_not_yet_valid") for claim in ("iat", "nbf")),
        ("exp", -6, None),
        *(("exp", seconds, "token_expired") for seconds in (-12, -(10**9))),
    ],
)
def test_clocks_may_differ_by_the_leeway(me, refused, make_token, claim, seconds, code):
    """Times may be left to the caller. A clock that is ahead is counted."""
    token = make_token(**{claim: int(time.time()) + seconds})
    before = tokens_not_yet_valid_total._value.get()

    assert access_tokens.decode(token, "access", verify_times=False)
    if code:
        refused(token, code)
    else:
        assert me(f"Bearer {token}").status_code == 200
    counted = tokens_not_yet_valid_total._value.get() - before
    assert counted == (code == "token_not_yet_valid")


# --- Where the keys come from -------------------------------------------------------


def test_missing_keys_are_not_the_tokens_fault(me, make_token, monkeypatch, tmp_path):
    """A key set that cannot be fetched must not log any user out."""
    token = make_token()
    monkeypatch.setattr(keyring, "verifying_keys", lambda: FolderKeys(tmp_path))
    assert_problem(me(f"Bearer {token}"), 503, "dependency_unavailable")

    unavailable = Mock(find=Mock(side_effect=DependencyUnavailable))
    monkeypatch.setattr(keyring, "verifying_keys", lambda: unavailable)
    with pytest.raises(DependencyUnavailable):
        access_tokens.decode(token, "access")


def test_no_source_is_asked_for_a_name_that_cannot_be_one(sign, header, monkeypatch):
    asked = []
    monkeypatch.setattr(keyring, "verifying_keys", lambda: Mock(find=asked.append))
    for kid in (None, 5, [header["kid"]], "k" * 44, ...):
        invalid(sign({"kid": kid}))

    assert asked == []


def test_a_key_verifies_with_its_own_algorithm_alone(
    header, claims, issuer_key, monkeypatch
):
    """RFC 8725 section 3.1: though both are allowed, and the token names the other. The
    closed set holds whatever a key says."""
    other = jwt.encode(claims, issuer_key, "RS384", header | {"alg": "RS384"})
    ours = jwt.encode(claims, issuer_key, "RS256", header)
    for allowed, token in ((("RS256", "RS384"), other), (("PS256",), ours)):
        monkeypatch.setattr(signing_keys, "ALGORITHMS", allowed)
        invalid(token)
