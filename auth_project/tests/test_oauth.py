"""/.well-known: the keys that verify our tokens, and what OAuth libraries read."""

import pytest
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from django.urls import resolve
from joserfc.jwk import KeySet
from rest_framework.test import APIClient

from shared.keys import keyring
from shared.testing import known_keys
from shared.tests.forgery import b64
from tests.conftest import access_token

JWKS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"

pytestmark = pytest.mark.django_db


def get(url=JWKS, **headers):
    return APIClient().get(url, headers=headers)


def test_the_key_set_has_public_members_only(issuer_key, trusted_kid):
    """TOK-17."""
    answer = get()

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    (member,) = answer.json()["keys"]
    assert set(member) == {"kty", "n", "e", "use", "alg", "kid"}
    assert (member["kty"], member["use"], member["alg"]) == ("RSA", "sig", "RS256")
    assert member["kid"] == trusted_kid
    private = issuer_key.private_numbers()
    for number in (private.d, private.p, private.q, private.dmp1, private.iqmp):
        octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
        assert b64(octets) not in answer.content.decode()


def test_a_validator_of_rfc_9068_takes_our_access_tokens(session, users):
    """TOK-04, TOK-17: with nothing but what we publish. It wants `client_id` too."""
    validator = JWTBearerTokenValidator(get(METADATA).json()["issuer"], "memo")
    validator.get_jwks = lambda: KeySet.import_key_set(get().json())

    claims = validator.authenticate_token(access_token(session, users))
    validator.validate_token(claims, [], None)

    assert claims["sub"] == users.user["id"]
    assert claims["client_id"] == "memo"
    del claims["client_id"]
    with pytest.raises(InvalidTokenError):
        validator.validate_token(claims, [], None)


JWK_SET = "application/jwk-set+json"


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        *((JWK_SET, JWK_SET), ("application/json", "application/json")),
        *(("*/*", "application/json"), ("application/*", "application/json")),
        (f"{JWK_SET}, */*;q=0.1", JWK_SET),
        (f"text/html, {JWK_SET};q=0.1", JWK_SET),
    ],
)
def test_it_has_the_media_type_of_key_sets_too(trusted_kid, accept, answered):
    """RFC 7517 section 8.5.2. Caches keep the two apart."""
    answer = get(Accept=accept)

    assert answer["Content-Type"] == answered
    assert "Accept" in answer["Vary"]
    assert answer.json() == get().json()


@pytest.mark.parametrize("seconds", [300, 0])
def test_it_may_be_kept_for_as_long_as_the_setting_says(trusted_kid, settings, seconds):
    """RFC 9111. Without a validator, a cache then fetches the whole set again."""
    settings.JWKS_MAX_AGE = seconds

    for answer in (get(), APIClient().head(JWKS)):
        assert answer["Cache-Control"] == f"public, max-age={seconds}"


def test_a_new_key_is_in_it(trusted_kid, issuer_key, foreign_key, monkeypatch):
    """TOK-18: staged keys, for caches; retired ones, whose refresh tokens live on."""
    both = known_keys(issuer_key, foreign_key)
    monkeypatch.setattr(keyring, "verifying_keys", lambda: both)

    assert {member["kid"] for member in get().json()["keys"]} == set(both.all())


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("docs", [True, False])
def test_the_metadata_say_what_is_true_and_nothing_else(settings, slash, docs):
    """TOK-25."""
    settings.JWT_ISSUER = f"https://memo.example{slash}"
    settings.DOCS_ENABLED = docs

    answer = get(METADATA)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "public, max-age=300"
    members = {
        "issuer": f"https://memo.example{slash}",
        "jwks_uri": "https://memo.example/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": [],
    }
    if docs:
        members["service_documentation"] = "https://memo.example/api/v1/auth/docs"
    assert answer.json() == members
    for name in {"jwks_uri", "service_documentation"} & set(members):
        assert resolve(members[name].removeprefix("https://memo.example"))
