"""The OpenAPI documents: built once, in the two media types; what is internal apart."""

import json
from unittest.mock import patch

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from shared.api.urls import openapi_document
from shared.testing.authenticator import Authenticator

URL = "/api/v1/auth/openapi.json"
INTERNAL = "/api/v1/auth/internal/openapi.json"


@pytest.fixture
def built():
    """Counts how often it is built."""
    openapi_document.cache_clear()
    build = SchemaGenerator.get_schema
    with patch.object(
        SchemaGenerator, "get_schema", autospec=True, side_effect=build
    ) as counted:
        yield counted


def test_it_is_built_for_the_first_request_and_kept(built):
    answers = [
        APIClient().get(URL + query, headers={"Accept": accept})
        for query in ("", "?lang=de", "?version=2")
        for accept in ("application/json", "*/*", "application/vnd.oai.openapi+json")
    ]

    assert built.call_count == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    kinds = [answer["Content-Type"] for answer in answers[:3]]
    assert kinds == ["application/json", *["application/vnd.oai.openapi+json"] * 2]
    assert URL not in answers[0].json()["paths"]
    assert APIClient().get(URL, headers={"Accept": "text/html"}).status_code == 406


def operations(document):
    paths = document["paths"].items()
    return {(path, method): op for path, ops in paths for method, op in ops.items()}


@pytest.fixture
def documents(api_client, service_client):
    urls = (api_client, URL), (service_client("users"), INTERNAL)
    return [client.get(url).json() for client, url in urls]


def test_what_is_for_services_is_in_a_document_of_its_own(documents, api_client):
    public, internal = documents

    keys = {"internalApiKey", "clientSecretBasic"}
    for document, wanted in (
        (public, {"accessToken", "refreshCookie"}),
        (internal, keys),
    ):
        found = {
            n for op in operations(document).values() for s in op["security"] for n in s
        }
        assert found == document["components"]["securitySchemes"].keys() == wanted
    assert ("/api/v1/auth/login", "post") in operations(public)
    assert ("/api/v1/auth/verify_token", "post") in operations(internal)
    assert not public["paths"].keys() & internal["paths"].keys()
    for client in (api_client, APIClient(headers={"X-Internal-Api-Key": "x"})):
        assert client.get(INTERNAL).json()["code"] == "service_auth_failed"


def test_they_have_what_linters_ask_for(documents):
    for document in documents:
        assert document["servers"]
        assert document["info"].keys() >= {"contact", "license"}
        tags = {tag["name"] for tag in document["tags"]}
        for operation in operations(document).values():
            assert set(operation["tags"]) == tags == {"auth"}
            assert 5 < len(operation["summary"]) < 120
            assert not operation["summary"].endswith(".")
            assert operation["security"]


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"email": "ada@example.org", "password": "x"}, True),
        ({"username": "ada", "password": "x"}, True),
        ({"email": "ada@example.org", "username": "ada", "password": "x"}, True),
        *((odd, False) for odd in (42, None, [], "x", True, {})),
        *((odd, False) for odd in ({"email": "a@b.org"}, {"password": "x"})),
        ({"email": 42, "password": "x"}, False),
    ],
)
def test_a_login_is_an_object_with_a_name_and_a_password(documents, body, good):
    schema = {**documents[0], "$ref": "#/components/schemas/CredentialsRequest"}

    assert Draft202012Validator(schema).is_valid(body) == good


PASSKEY = Authenticator("https://memo.example", "memo.example").get({"challenge": ""})
KINDS = {"totp": "123456", "recovery_code": "7XKM-2Q9D-HN4T-VB0C", "passkey": PASSKEY}


@pytest.mark.parametrize(
    ("proof", "good"),
    [
        *(({kind: proof}, True) for kind, proof in KINDS.items()),
        *((odd, False) for odd in ({}, KINDS, {"passkey": {}}, {"totp": 123456})),
        *(({"totp": "1", other: "x"}, False) for other in ("recovery_code", "other")),
    ],
)
@pytest.mark.parametrize("name", ["SecondFactor", "StepUp"])
def test_a_second_step_is_an_object_with_one_factor(documents, name, proof, good):
    schema = {**documents[0], "$ref": f"#/components/schemas/{name}Request"}

    assert Draft202012Validator(schema).is_valid({"login": "x", **proof}) == good


def test_the_example_is_the_users_of_the_readme(documents):
    login = operations(documents[0])["/api/v1/auth/login", "post"]
    [example] = login["requestBody"]["content"]["application/json"]["examples"].values()
    readme = (settings.BASE_DIR.parent / "README.md").read_text()

    assert json.dumps(example["value"]) in readme
