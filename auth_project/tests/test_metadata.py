"""/.well-known/oauth-authorization-server: what OAuth libraries read about us."""

import pytest
from django.urls import Resolver404, resolve
from rest_framework.test import APIClient

from tests.conftest import access_token
from tokens.jwt_tokens import AccessToken

URL = "/.well-known/oauth-authorization-server"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("docs", [True, False])
def test_it_says_what_is_true_and_nothing_else(settings, slash, docs):
    """TOK-25."""
    settings.JWT_ISSUER = f"https://memo.example{slash}"
    settings.DOCS_ENABLED = docs

    answer = APIClient().get(URL)

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


@pytest.mark.django_db
def test_its_issuer_is_the_one_of_the_tokens(session, users):
    claims = AccessToken(access_token(session, users))  # type: ignore[arg-type]

    assert APIClient().get(URL).json()["issuer"] == claims["iss"]


@pytest.mark.parametrize(
    "path", [".well-known/openid-configuration", "api/v1/auth/token", "oauth/token"]
)
def test_there_is_no_openid_provider_and_no_token_endpoint(path):
    with pytest.raises(Resolver404):
        resolve(f"/{path}")
