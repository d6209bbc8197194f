"""The OpenAPI description: complete, and true."""

import re
from functools import lru_cache

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.factories import PASSWORD
from users import validators
from users.openapi import ADA

OPERATIONS = [
    ("/api/v1/users", "post", "201", {"400", "409", "413", "415"}),
    ("/api/v1/users/me", "get", "200", {"401"}),
    ("/api/v1/users/me", "patch", "200", {"400", "401", "413", "415"}),
    (
        "/api/v1/users/me/change_password",
        "post",
        "204",
        {"400", "401", "413", "415"},
    ),
    ("/api/v1/users/verify", "post", "200", {"400", "401", "403", "413", "415"}),
    ("/api/v1/users/{user_id}", "get", "200", {"401", "403", "404"}),
    ("/api/v1/users/{user_id}/end_sessions", "post", "200", {"401", "403", "404"}),
]
ALWAYS = {"406", "429", "500", "503"}


@lru_cache
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.mark.parametrize(("path", "method", "success", "refusals"), OPERATIONS)
def test_each_operation_lists_its_answers_with_examples(
    path, method, success, refusals
):
    operation = schema()["paths"][path][method]
    assert operation["description"]
    assert {success} | refusals | ALWAYS <= operation["responses"].keys()
    if success != "204":
        content = operation["responses"][success]["content"]
        assert content["application/json"]["examples"]
    if "415" in refusals:
        content = operation["requestBody"]["content"]
        assert content.keys() == {"application/json"}
        assert content["application/json"]["examples"]
    for status in refusals | ALWAYS:
        content = operation["responses"][status]["content"]
        assert content["application/problem+json"]["examples"]


@pytest.mark.parametrize(
    ("path", "method", "security"),
    [
        ("/api/v1/users", "post", [{}]),
        ("/api/v1/users/me", "get", [{"accessToken": []}]),
        ("/api/v1/users/me", "patch", [{"accessToken": []}]),
        ("/api/v1/users/me/change_password", "post", [{"accessToken": []}]),
        ("/api/v1/users/{user_id}/end_sessions", "post", [{"internalApiKey": []}]),
        ("/api/v1/users/verify", "post", [{"internalApiKey": []}]),
        ("/api/v1/users/{user_id}", "get", [{"internalApiKey": []}]),
    ],
)
def test_each_operation_says_what_opens_it(path, method, security):
    assert schema()["paths"][path][method].get("security", [{}]) == security


def test_verify_needs_one_of_the_names():
    credentials = schema()["components"]["schemas"]["LoginAttemptRequest"]
    assert credentials["required"] == ["password"]
    assert {"required": ["username"]} in credentials["anyOf"]


def test_the_bounds_of_a_password_are_published():
    fields = schema()["components"]["schemas"]["RegistrationRequest"]["properties"]
    assert (fields["password"]["minLength"], fields["password"]["maxLength"]) == (
        8,
        128,
    )
    assert fields["password"]["pattern"] == "^[^\\u0000]*$"
    assert fields["password"]["writeOnly"]


@pytest.mark.django_db
def test_an_answer_has_the_members_that_are_described(api_client):
    body = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    answer = api_client.post("/api/v1/users", body).json()
    described = schema()["components"]["schemas"]["User"]
    assert answer.keys() == ADA.keys() == described["properties"].keys()
    assert set(described["required"]) == answer.keys()


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (
            validators.USERNAME,
            ["ada", "A.d-a_1", "a" * 50],
            ["ab", "a" * 51, "ada\n", "a d a", "ада"],
        ),
        (
            validators.EMAIL,
            [
                "a@b.cd",
                "o'hara+x@sub.example.org",
                f"{'a' * 64}@x.org",
                "x@xn--e1a.xn--p1ai",
            ],
            [
                "a@b",
                "ada",
                "ada@localhost",
                "ada@@example.org",
                "ada@exa mple.org",
                "ada@[127.0.0.1]",
                "adä@example.org",
                "ada.@example.org",
                "a@b.c",
                "a@-b.org",
                ".a@b.org",
                "a..b@c.org",
                "a@b.org\n",
                "@b.org",
            ],
        ),
        (
            validators.WEB_ADDRESS,
            ["http://a", "https://example.org/a%20b?c=d#e", "https://x.org:8443"],
            [
                "//a",
                "ftp://a.b",
                "https://",
                "https://a b",
                "https://x.org/\n",
                "HTTPS://a@b",
            ],
        ),
        (validators.PERSONAL_NAME, ["Ada", "愛", " "], ["", "a\tb", "a\n"]),
    ],
    ids=["username", "e-mail", "web address", "name"],
)
def test_patterns(pattern, good, bad):
    assert [text for text in good if not re.search(pattern, text)] == []
    assert [text for text in bad if re.search(pattern, text)] == []
