"""/.well-known/jwks.json: what strangers verify our tokens with."""

import jwt
import pytest
from rest_framework.test import APIClient

from shared import keys
from shared.tests.forgery import b64
from tests.conftest import access_token, outcome

URL = "/.well-known/jwks.json"

pytestmark = pytest.mark.django_db


def test_the_key_set_has_public_members_only(trusted_kid):
    """TOK-17."""
    answer = APIClient().get(URL)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "public, max-age=300"
    (member,) = answer.json()["keys"]
    assert set(member) == {"kty", "n", "e", "use", "alg", "kid"}
    assert (member["kty"], member["use"], member["alg"]) == ("RSA", "sig", "RS256")
    assert member["kid"] == trusted_kid


def test_a_stranger_verifies_our_tokens_with_it(session, users, settings):
    key_set = jwt.PyJWKSet.from_dict(APIClient().get(URL).json())
    token = access_token(session, users)

    claims = jwt.decode(
        token,
        key_set[jwt.get_unverified_header(token)["kid"]],
        algorithms=["RS256"],
        audience=settings.JWT_AUDIENCE,
        issuer=settings.JWT_ISSUER,
    )

    assert claims["sub"] == users.user["id"]


def test_retired_keys_are_still_in_it(issuer_key, foreign_key, monkeypatch):
    """TOK-18: they verify refresh tokens for as long as those live."""
    both = [issuer_key.public_key(), foreign_key.public_key()]
    named = {keys.thumbprint(key): key for key in both}
    monkeypatch.setattr(keys, "verifying_keys", lambda: named)

    published = APIClient().get(URL).json()["keys"]

    assert {member["kid"] for member in published} == set(named)


def test_without_keys_it_is_503(monkeypatch, tmp_path):
    monkeypatch.setattr(keys, "verifying_keys", lambda: keys.load_public_keys(tmp_path))

    assert outcome(APIClient().get(URL)) == (503, "dependency_unavailable")


def test_nothing_of_the_private_key_is_in_it(issuer_key, trusted_kid):
    private = issuer_key.private_numbers()
    text = APIClient().get(URL).content.decode()
    for number in (private.d, private.p, private.q, private.dmp1, private.iqmp):
        octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
        assert b64(octets) not in text
