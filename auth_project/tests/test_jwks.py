"""/.well-known/jwks.json: what other programs verify our tokens with."""

import jwt
import pytest
from rest_framework.test import APIClient

from shared.keys import keyring
from shared.testing import KnownKeys
from shared.tests.forgery import b64
from tests.conftest import access_token, outcome

URL = "/.well-known/jwks.json"

pytestmark = pytest.mark.django_db


def get(**headers):
    return APIClient().get(URL, headers=headers)


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


def test_a_stranger_verifies_our_tokens_with_it(session, users, settings):
    key_set = jwt.PyJWKSet.from_dict(get().json())
    token = access_token(session, users)

    claims = jwt.decode(
        token,
        key_set[jwt.get_unverified_header(token)["kid"]],
        algorithms=["RS256"],
        audience=settings.JWT_AUDIENCE,
        issuer=settings.JWT_ISSUER,
    )

    assert claims["sub"] == users.user["id"]


def test_without_keys_it_is_503_and_not_to_be_kept(settings, tmp_path):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path

    answer = get()

    assert outcome(answer) == (503, "dependency_unavailable")
    assert not {"Cache-Control", "ETag"} & set(answer.headers)


# --- Caches (RFC 9110, RFC 9111) ----------------------------------------------------


@pytest.mark.parametrize("seconds", [300, 0])
def test_it_may_be_kept_for_as_long_as_the_setting_says(trusted_kid, settings, seconds):
    settings.JWKS_MAX_AGE = seconds

    assert get()["Cache-Control"] == f"public, max-age={seconds}"


def test_a_client_that_has_it_gets_304(trusted_kid):
    first = get()
    assert first["ETag"].startswith('"')  # a strong one

    again = get(**{"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    for name in ("ETag", "Cache-Control"):
        assert again[name] == first[name]
    assert APIClient().head(URL)["ETag"] == first["ETag"]


def test_a_new_key_is_in_it_and_is_a_new_tag(
    trusted_kid, issuer_key, foreign_key, monkeypatch
):
    """TOK-18: staged keys, for caches; retired ones, whose refresh tokens live on."""
    old = get()["ETag"]
    both = KnownKeys(issuer_key, foreign_key)
    monkeypatch.setattr(keyring, "verifying_keys", lambda: both)

    for tag in (old, '"x"', "x", ""):
        answer = get(**{"If-None-Match": tag})
        assert {member["kid"] for member in answer.json()["keys"]} == set(both.all())
        assert answer["ETag"] != old
