"""Claims and times of access tokens: every oddity is a 401, never a 500."""

import json
import time

import pytest

from shared.api.exceptions import TokenExpired, TokenInvalid
from shared.auth import access_tokens

# --- Claims (TOK-04, TOK-13) --------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "token_type"]
)
@pytest.mark.parametrize("value", [..., None], ids=["missing", "null"])
def test_every_claim_is_needed(refused, sign, name, value):
    refused(sign({}, {name: value}))


ODD = {
    "iss": ["https://evil.example", "https://memo.example/", "", ["x"], 5],
    "aud": ["other", "", ["other"], [], 5, {"memo": 1}],
    "sub": ["abc", "", 5, ["a"], {"a": 1}, "a\0", "\ud800", True, 2**127],
    "sid": ["abc", "", 5, ["a"], {"a": 1}, "../x"],
    "jti": ["abc", "", 5, ["a"], {"a": 1}],
    "iat": ["x", "", ["a"], {"a": 1}, -1, 1.5, -(10**30)],
    "exp": ["x", "", ["a"], {"a": 1}, 10**15, 10**400, 2.0**40, "99999999999"],
    "nbf": ["x", ["a"], {"a": 1}],
    "token_type": ["refresh", "Access", "", 5, ["access"]],
    "email": [5, ["a"], {"a": 1}],
    "username": [5, ["a"], {"a": 1}],
    "roles": [5, "admin", {"admin": 1}, [5], [["admin"]], [None]],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{str(value)[:20]!r}")
        for name, values in ODD.items()
        for value in values
    ],
)
def test_an_odd_claim_is_401(refused, sign, name, value):
    refused(sign({}, {name: value}))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("name", ["exp", "iat"])
def test_a_time_that_is_no_number_is_401(refused, sign, claims, name, number):
    payload = json.dumps(claims | {name: "@"}).replace('"@"', number).encode()

    refused(sign({}, payload))


@pytest.mark.parametrize(
    "octets",
    [
        *(b"[]", b"5", b"null", b'"x"', b"", b"{", b"\xff"),
        pytest.param(b"[" * 1500, id="nested"),
    ],
)
def test_a_part_that_is_no_object_is_401(refused, sign, octets):
    refused(sign(octets))
    refused(sign({}, octets))


def test_the_audience_may_be_one_of_several_and_a_profile_be_left_out(me, make_token):
    token = make_token(aud=["other", "memo"], email=None, username=None, roles=None)

    assert me(f"Bearer {token}").json()["roles"] == []


@pytest.mark.parametrize(
    "odd", [{"exp": [1]}, {"exp": 10**15}, {"sub": ["a"]}, {"jti": None}], ids=repr
)
def test_an_odd_token_is_odd_when_times_do_not_matter(sign, odd):
    with pytest.raises(TokenInvalid):
        access_tokens.decode(sign({}, odd), "access", verify_times=False)


# --- Times (TOK-12) -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "seconds", "code"),
    [
        pytest.param("iat", 5, None, id="iat-5s-ahead"),
        pytest.param("iat", 8, None, id="iat-within-the-leeway"),
        pytest.param("iat", 15, "token_not_yet_valid", id="iat-past-the-leeway"),
        pytest.param("iat", 120, "token_not_yet_valid", id="iat-120s-ahead"),
        pytest.param("nbf", 8, None, id="nbf-within-the-leeway"),
        pytest.param("nbf", 15, "token_not_yet_valid", id="nbf-past-the-leeway"),
        pytest.param("exp", -6, None, id="exp-within-the-leeway"),
        pytest.param("exp", -12, "token_expired", id="exp-past-the-leeway"),
        pytest.param("exp", -(10**9), "token_expired", id="exp-long-ago"),
    ],
)
def test_clocks_may_differ_by_the_leeway(me, refused, make_token, claim, seconds, code):
    token = make_token(**{claim: int(time.time()) + seconds})

    if code:
        refused(token, code)
    else:
        assert me(f"Bearer {token}").status_code == 200


@pytest.mark.parametrize("seconds", [-(10**6), 10**6], ids=["expired", "ahead"])
def test_times_may_be_left_to_the_caller(sign, claims, seconds):
    moved = {name: claims[name] + seconds for name in ("iat", "exp")}
    found = access_tokens.decode(sign({}, moved), "access", verify_times=False)

    assert found["exp"] == moved["exp"]


def test_the_signature_is_checked_before_the_times(sign, foreign_key):
    """A forgery must not read that it has merely expired."""
    with pytest.raises(TokenInvalid) as caught:
        access_tokens.decode(sign({}, {"exp": 1}, foreign_key), "access")
    assert not isinstance(caught.value, TokenExpired)
