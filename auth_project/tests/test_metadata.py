"""/.well-known/oauth-authorization-server: what OAuth libraries are told of us."""

import pytest
from django.urls import Resolver404, resolve
from rest_framework.test import APIClient

from tests.conftest import access_token
from tokens.jwt_tokens import AccessToken

URL = "/.well-known/oauth-authorization-server"


@pytest.fixture(autouse=True)
def _issuer(settings):
    settings.JWT_ISSUER = "https://memo.example"
    settings.DOCS_ENABLED = True


def test_it_says_what_is_true_and_nothing_else():
    """TOK-25."""
    answer = APIClient().get(URL)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "public, max-age=300"
    assert answer.json() == {
        "issuer": "https://memo.example",
        "jwks_uri": "https://memo.example/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": [],
        "service_documentation": "https://memo.example/api/v1/auth/docs",
    }


@pytest.mark.django_db
def test_its_issuer_is_the_one_of_the_tokens(session, users):
    claims = AccessToken(access_token(session, users))  # type: ignore[arg-type]

    assert APIClient().get(URL).json()["issuer"] == claims["iss"]


def test_its_addresses_are_routes_of_ours(settings):
    members = APIClient().get(URL).json()

    for name in ("jwks_uri", "service_documentation"):
        path = members[name].removeprefix(settings.JWT_ISSUER)
        assert APIClient().get(path).status_code == 200


def test_docs_that_are_off_are_not_named(settings):
    settings.DOCS_ENABLED = False

    assert "service_documentation" not in APIClient().get(URL).json()


def test_a_slash_after_the_issuer_is_none_in_its_addresses(settings):
    settings.JWT_ISSUER = "https://memo.example/"

    members = APIClient().get(URL).json()

    assert members["issuer"] == "https://memo.example/"
    assert members["jwks_uri"] == "https://memo.example/.well-known/jwks.json"


@pytest.mark.parametrize(
    "path", [".well-known/openid-configuration", "api/v1/auth/token", "oauth/token"]
)
def test_there_is_no_openid_provider_and_no_token_endpoint(path):
    with pytest.raises(Resolver404):
        resolve(f"/{path}")
