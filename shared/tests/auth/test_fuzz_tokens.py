"""Tokens that are nearly right, by the thousand (TOK-01 to TOK-04, TOK-13).

Whatever comes, `decode` answers with claims or with one of its own errors, and what it
accepts was signed by us, in the one way of writing it, and means to PyJWT the same.
"""

import json
import time
import uuid

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.api.exceptions import TokenError
from shared.auth import access_tokens
from shared.testing import good_claims
from shared.tests import forgery
from shared.tests.auth.test_tokens import invalid
from shared.tests.fuzzing import fuzz
from shared.tests.mutated_text import header_texts, mutated, nested, objects_like, texts

NOW = int(time.time())
IDS = ("sub", "sid", "jti")
GOOD_CLAIMS = good_claims() | {
    "exp": NOW + 24 * 3600,
    "email": "ada@example.org",
    "username": "ada",
    "roles": ["editor"],
    "nbf": NOW,
}


@pytest.fixture
def claims():
    return GOOD_CLAIMS


def decoded(token):
    """The claims, or None for a refusal; all that is neither is an error."""
    try:
        return access_tokens.decode(token, "access")
    except TokenError:
        return None


@fuzz
@given(data=st.data())
def test_a_token_that_was_touched_is_refused(sign, data):
    """Unless it is, letter by letter, one of the two that we have signed."""
    good, other = sign(), sign({}, {"username": "bob"})
    text = data.draw(mutated(good, other))

    if text in (good, other):
        assert decoded(text)
    else:
        invalid(text)


@fuzz
@given(text=st.one_of(texts(), header_texts()))
@example(text="\ud800.\ud800.\ud800")
@example(text="e30.\ud800.e30")
def test_any_other_text_is_refused(trusted_kid, text):
    invalid(text)


@fuzz
@given(claims=objects_like(GOOD_CLAIMS))
@example(claims={**GOOD_CLAIMS, "sub": GOOD_CLAIMS["sub"].upper()})
@example(claims={**GOOD_CLAIMS, "nbf": None})
@example(claims={**GOOD_CLAIMS, "aud": ["memo", "memo"]})
@example(claims={**GOOD_CLAIMS, "iat": True})
def test_whatever_we_would_sign_is_read_as_pyjwt_reads_it(header, issuer_key, claims):
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
        options={"require": list(access_tokens.REQUIRED_CLAIMS)},
    )
    theirs |= {name: str(uuid.UUID(theirs[name])) for name in IDS}
    # As text: NaN is no equal of itself.
    assert json.dumps(found, sort_keys=True) == json.dumps(theirs, sort_keys=True)


@fuzz
@given(changed=objects_like({"alg": "RS256", "typ": "at+jwt", "kid": ""}))
@example(changed={"typ": nested(480)})
@example(changed={"alg": nested(3)})
@example(changed={"kid": {}})
def test_a_header_is_ours_or_refused(header, issuer_key, changed):
    """Accepted: the algorithm and the kid of the key, and the type of access tokens."""
    if changed.get("kid") == "":
        changed["kid"] = header["kid"]
    if decoded(forgery.rs256(changed, GOOD_CLAIMS, issuer_key)) is None:
        return
    assert changed["alg"] == header["alg"]
    assert changed["kid"] == header["kid"]
    assert changed["typ"].lower().removeprefix("application/") == "at+jwt"
    assert access_tokens.EXTENSIONS.isdisjoint(changed)
