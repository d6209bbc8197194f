"""Tokens that are nearly right, by the thousand (TOK-01 to TOK-04, TOK-13).

Whatever comes, `decode` answers with claims or with one of its own errors, and what it
accepts was signed by us, in the one way of writing it, and means to PyJWT the same.
"""

import json
import time
import uuid
from typing import Any

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.api.exceptions import TokenError, TokenExpired, TokenInvalid
from shared.auth import access_tokens
from shared.tests import forgery
from shared.tests.fuzzing import fuzz
from shared.tests.mutated_text import header_texts, mutated, nested, objects_like, texts

NOW = int(time.time())
GOOD_CLAIMS: dict[str, Any] = {
    "iss": "https://memo.example",
    "aud": "memo",
    "sub": str(uuid.uuid4()),
    "sid": str(uuid.uuid4()),
    "jti": str(uuid.uuid4()),
    "iat": NOW,
    "exp": NOW + 24 * 3600,
    "token_type": "access",
    "email": "ada@example.org",
    "username": "ada",
    "roles": ["editor"],
    "nbf": NOW,
}
IDS = ("sub", "sid", "jti")
GOOD_HEADER: dict[str, Any] = {"alg": "RS256", "typ": "at+jwt"}


@pytest.fixture
def header(trusted_kid: str) -> dict[str, Any]:
    return {**GOOD_HEADER, "kid": trusted_kid}


@pytest.fixture
def good(header: dict[str, Any], issuer_key: Any) -> str:
    return forgery.rs256(header, GOOD_CLAIMS, issuer_key)


def decoded(token: str) -> dict[str, Any] | None:
    """The claims, or None for a refusal; all that is neither is an error."""
    try:
        return access_tokens.decode(token, "access")
    except TokenError:
        return None


@fuzz
@given(data=st.data())
def test_a_token_that_was_touched_is_refused(
    good: str, header: dict[str, Any], issuer_key: Any, data: st.DataObject
) -> None:
    """Unless it is, letter by letter, one of the two that we have signed."""
    other = forgery.rs256(header, {**GOOD_CLAIMS, "username": "bob"}, issuer_key)
    text = data.draw(mutated(good, other))

    if text in (good, other):
        assert decoded(text)
    else:
        with pytest.raises(TokenInvalid):
            access_tokens.decode(text, "access")


@fuzz
@given(text=st.one_of(texts(), header_texts()))
@example(text="\ud800.\ud800.\ud800")
@example(text="e30.\ud800.e30")
def test_any_other_text_is_refused(trusted_kid: str, text: str) -> None:
    with pytest.raises(TokenInvalid):
        access_tokens.decode(text, "access")


@fuzz
@given(claims=objects_like(GOOD_CLAIMS))
@example(claims={**GOOD_CLAIMS, "sub": GOOD_CLAIMS["sub"].upper()})
@example(claims={**GOOD_CLAIMS, "nbf": None})
@example(claims={**GOOD_CLAIMS, "aud": ["memo", "memo"]})
@example(claims={**GOOD_CLAIMS, "iat": True})
def test_whatever_we_would_sign_is_read_as_pyjwt_reads_it(
    header: dict[str, Any], issuer_key: Any, claims: dict[str, Any]
) -> None:
    """Ours may refuse what PyJWT takes, never the other way round."""
    token = forgery.rs256(header, claims, issuer_key)
    found = decoded(token)
    if found is None:
        return
    theirs = jwt.decode(
        token,
        issuer_key.public_key(),
        algorithms=["RS256"],
        audience="memo",
        issuer="https://memo.example",
        leeway=10,
        options={"require": access_tokens.REQUIRED_CLAIMS},
    )
    theirs |= {name: str(uuid.UUID(theirs[name])) for name in IDS}
    assert same(found, theirs)


def same(one: Any, other: Any) -> bool:
    """Equal as text: NaN is no equal of itself."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@fuzz
@given(changed=objects_like({**GOOD_HEADER, "kid": ""}))
@example(changed={"typ": nested(480)})
@example(changed={"alg": nested(3)})
@example(changed={"kid": {}})
def test_a_header_is_ours_or_refused(
    header: dict[str, Any], issuer_key: Any, changed: dict[str, Any]
) -> None:
    """Accepted: the algorithm and the kid of the key, and the type of access tokens."""
    if changed.get("kid") == "":
        changed["kid"] = header["kid"]
    if decoded(forgery.rs256(changed, GOOD_CLAIMS, issuer_key)) is None:
        return
    assert {name: changed[name] for name in ("alg", "kid")} == {
        name: header[name] for name in ("alg", "kid")
    }
    assert changed["typ"].lower().removeprefix("application/") == "at+jwt"
    assert access_tokens.EXTENSIONS.isdisjoint(changed)


@fuzz
@given(depth=st.integers(0, 2500), where=st.sampled_from(["header", "claims"]))
def test_no_depth_of_brackets_is_a_fault_of_ours(
    header: dict[str, Any], issuer_key: Any, depth: int, where: str
) -> None:
    """What parses a value and what prints it run out of stack at different depths."""
    deep = b'{"typ":' + b"[" * depth + b"]" * depth + b"}"
    parts = {"header": header, "claims": GOOD_CLAIMS, where: deep}
    token = forgery.rs256(parts["header"], parts["claims"], issuer_key)

    with pytest.raises(TokenInvalid):
        access_tokens.decode(token, "access")


@fuzz
@given(
    token_type=st.sampled_from(["access", "refresh"]),
    typ=st.sampled_from(["at+jwt", "rt+jwt", "JWT", "application/rt+jwt"]),
    claim=st.sampled_from(["access", "refresh"]),
    age=st.integers(-(10**5), 10**5),
)
def test_a_token_is_of_one_kind_and_of_its_time(
    header: dict[str, Any],
    issuer_key: Any,
    token_type: str,
    typ: str,
    claim: str,
    age: int,
) -> None:
    """Which error it is is told by the time alone, and only for what is else good."""
    now = int(time.time())
    times = {"iat": now - age, "nbf": now - age, "exp": now - age + 300}
    claims = {**GOOD_CLAIMS, **times, "token_type": claim}
    token = forgery.rs256({**header, "typ": typ}, claims, issuer_key)

    fits = typ.removeprefix("application/") == access_tokens.TYPES[token_type]
    fits = fits and claim == token_type
    if fits and 0 <= age < 300:
        assert access_tokens.decode(token, token_type)["exp"] == times["exp"]
    elif fits and age > 311:
        with pytest.raises(TokenExpired):
            access_tokens.decode(token, token_type)
    elif not fits:
        with pytest.raises(TokenInvalid):
            access_tokens.decode(token, token_type)
