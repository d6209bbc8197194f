"""The OpenAPI documents: built once, in the two media types; what is internal apart."""

import json
import re
import uuid
from unittest.mock import patch

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from shared.api.urls import openapi_document
from shared.tests.authenticator import Authenticator
from tests.conftest import FORM, signed_in

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
    introspect = operations(internal)["/api/v1/auth/introspect", "post"]
    assert introspect["security"] == [{"clientSecretBasic": []}, {"internalApiKey": []}]
    assert list(introspect["requestBody"]["content"]) == [FORM]
    assert not public["paths"].keys() & internal["paths"].keys()
    for client in (api_client, APIClient(headers={"X-Internal-Api-Key": "x"})):
        assert client.get(INTERNAL).json()["code"] == "service_auth_failed"


def test_a_key_that_opens_no_route_is_documented(documents):
    """403: the key of Prometheus is good, and may not call."""
    for operation in operations(documents[1]).values():
        assert operation["responses"].keys() >= {"401", "403"}


def test_a_query_that_is_not_valid_is_documented(documents):
    path = "/api/v1/auth/users/{user_id}/events", "get"
    refused = operations(documents[1])[path]["responses"]["400"]["description"]
    assert "`validation_error`" in refused
    assert "`bad_request`" in refused


def test_errors_of_a_body_and_their_members_are_documented(documents):
    public, internal = map(operations, documents)
    form = internal["/api/v1/auth/introspect", "post"]["responses"]
    assert "`invalid_form`" in form["400"]["description"]
    assert "`invalid_json`" not in form["400"]["description"]
    for name, shape in (("login", "Login"), ("login/second_factor", "Tries")):
        responses = public[f"/api/v1/auth/{name}", "post"]["responses"]
        assert "`invalid_json`" in responses["400"]["description"]
        content = responses["401"]["content"]["application/problem+json"]
        assert content["schema"]["$ref"].endswith(f"/{shape}Problem")


def test_an_operation_can_be_asked_for_the_types_that_it_answers_with(documents):
    """And for no other, as generated clients do."""
    for document in documents:
        for (path, _), operation in operations(document).items():
            answers = operation["responses"].values()
            types = {name for each in answers for name in each.get("content", ())}
            url = re.sub(r"{\w+}", str(uuid.uuid4()), path)
            refused = APIClient().options(url, headers={"Accept": ", ".join(types)})
            assert refused.status_code in (401, 405), path


def test_the_cursor_of_events_is_opaque(documents):
    """As a date, many clients would cut off its microseconds."""
    path = "/api/v1/auth/users/{user_id}/events", "get"
    query = operations(documents[1])[path]["parameters"]
    [before] = [each["schema"] for each in query if each["name"] == "before"]
    page = documents[1]["components"]["schemas"]["ReportedPage"]["properties"]
    assert before["type"] == page["next"]["type"] == "string"
    assert "format" not in before | page["next"]


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


ADA = {"email": "ada@example.org", "password": "x"}
PASSKEY = Authenticator("https://memo.example", "memo.example").get({"challenge": ""})
LOGIN, TOTP = {"login": "x"}, {"totp": "123456"}
SECOND_STEPS = {
    True: [
        {**LOGIN, **TOTP},
        {**LOGIN, "recovery_code": "7XKM-2Q9D-HN4T-VB0C"},
        {**LOGIN, "passkey": PASSKEY},
    ],
    False: [
        *({}, TOTP, LOGIN, {**LOGIN, **TOTP, "passkey": PASSKEY}),
        *({**LOGIN, **TOTP, "recovery_code": "x"}, {**LOGIN, **TOTP, "epoch": 0}),
        *({"login": "x" * 65, **TOTP}, {"login": 5, **TOTP}),
        *({**LOGIN, "totp": 123456}, {**LOGIN, "totp": "1" * 17}),
        {**LOGIN, "passkey": "x"},
    ],
}
# Bodies of another shape, by path, and good ones.
BODIES = {
    "login": {
        True: [ADA, {"username": "ada", "password": "x"}, {**ADA, "username": "ada"}],
        False: [
            *(42, None, [], "x", True, {}, {"password": "x"}),
            *({"email": "a@b.org"}, {**ADA, "email": 42}),
        ],
    },
    "login/second_factor": {
        True: [*SECOND_STEPS[True], {**LOGIN, **TOTP, "trust_device": True}],
        False: [
            *SECOND_STEPS[False],
            *({**LOGIN, "password": "x"}, {**LOGIN, **TOTP, "trust_device": "yes"}),
        ],
    },
    "step_up": {
        True: [*SECOND_STEPS[True], {**LOGIN, "password": "x"}],
        False: SECOND_STEPS[False],
    },
    "login/passkey": {
        True: [{**LOGIN, "credential": PASSKEY}],
        False: [
            *({}, LOGIN, {**LOGIN, "credential": "x"}),
            {"login": "x" * 65, "credential": PASSKEY},
            {**LOGIN, "credential": PASSKEY, "email": "ada@example.org"},
        ],
    },
}


@pytest.mark.django_db
@pytest.mark.parametrize("path", BODIES)
def test_a_body_is_taken_if_the_document_says_so(documents, session, users, path):
    url = f"/api/v1/auth/{path}"
    request = operations(documents[0])[url, "post"]["requestBody"]
    content = request["content"]["application/json"]
    validator = Draft202012Validator(documents[0] | content["schema"])
    client = signed_in(session, users) if path == "step_up" else APIClient()
    for good, bodies in BODIES[path].items():
        for body in bodies:
            assert validator.is_valid(body) == good, body
            text = json.dumps(body)  # `None` too
            answer = client.post(url, text, content_type="application/json")
            assert (answer.status_code != 400) == good, body
            assert good or answer.json()["code"] == "validation_error"
    # The User Service looks into what a browser has answered.
    for name in ("passkey", "credential"):
        assert not validator.is_valid({**LOGIN, name: {}})


def test_the_example_is_the_users_of_the_readme(documents):
    login = operations(documents[0])["/api/v1/auth/login", "post"]
    [example] = login["requestBody"]["content"]["application/json"]["examples"].values()
    readme = (settings.BASE_DIR.parent / "README.md").read_text()

    assert json.dumps(example["value"]) in readme
