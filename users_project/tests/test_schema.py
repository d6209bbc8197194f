"""The OpenAPI description: complete, and true."""

import re
import uuid
from functools import lru_cache

import pytest
from rest_framework.test import APIClient

from shared.api.schema import InternalGenerator, PublicGenerator
from users import validators
from users.openapi import ADA

ALWAYS = {"406", "429", "500", "503"}
BODY = {"400", "413", "415"}
TOKEN, KEY = [{"accessToken": []}], [{"internalApiKey": []}]
EITHER, ENROL = [*TOKEN, {}], [{"enrolToken": []}, *TOKEN]
OPERATIONS = [
    ("", "post", "201", {*BODY, "409"}, [{}]),
    ("/me", "get", "200", {"401"}, TOKEN),
    ("/me", "patch", "200", {*BODY, "401"}, TOKEN),
    ("/me", "delete", "202", {*BODY, "401", "409"}, TOKEN),
    ("/me/export", "get", "200", {"401"}, TOKEN),
    ("/restore", "post", "204", BODY, [{}]),
    ("/me/change_password", "post", "204", {*BODY, "401"}, TOKEN),
    ("/me/change_email", "post", "202", {*BODY, "401"}, TOKEN),
    ("/me/change_email", "delete", "204", {"401"}, TOKEN),
    ("/verify_email", "post", "204", {*BODY, "401", "409"}, EITHER),
    ("/verify_email/resend", "post", "202", BODY, [{}]),
    ("/password_reset", "post", "202", BODY, [{}]),
    ("/password_reset/confirm", "post", "204", BODY, [{}]),
    ("/change_email/confirm", "post", "204", {*BODY, "401", "409"}, EITHER),
    ("/change_email/undo", "post", "204", {*BODY, "409"}, [{}]),
    ("/factors_reset/cancel", "post", "204", BODY, [{}]),
    ("/me/factors", "get", "200", {"401", "404"}, ENROL),
    ("/me/factors/totp", "post", "201", {*BODY, "401"}, ENROL),
    ("/me/factors/{factor_id}/confirm", "post", "200", {*BODY, "401", "404"}, ENROL),
    ("/me/factors/{factor_id}", "patch", "200", {*BODY, "401", "404"}, ENROL),
    ("/me/factors/{factor_id}", "delete", "204", {"401", "404", "409"}, ENROL),
    ("/me/recovery_codes", "post", "200", {"401", "404"}, ENROL),
    ("/me/password", "delete", "204", {"401", "404", "409"}, TOKEN),
    ("/verify", "post", "200", {*BODY, "401", "403"}, KEY),
    ("/lookup", "post", "200", {*BODY, "401", "403"}, KEY),
    ("/{user_id}", "get", "200", {"401", "403", "404"}, KEY),
    ("/{user_id}/factors", "get", "200", {"401", "403", "404"}, KEY),
    ("/{user_id}/factors/verify", "post", "200", {*BODY, "401", "403", "404"}, KEY),
    ("/{user_id}/end_sessions", "post", "200", {*BODY, "401", "403", "404"}, KEY),
]


@lru_cache
def schema():
    """Both documents: what is for services is in the other one alone."""
    kinds = PublicGenerator, InternalGenerator
    public, internal = (each().get_schema(request=None, public=True) for each in kinds)
    assert not public["paths"].keys() & internal["paths"].keys()
    assert list(public["components"]["securitySchemes"]) == [
        *("accessToken", "enrolToken")
    ]
    assert list(internal["components"]["securitySchemes"]) == ["internalApiKey"]
    schemas = public["components"]["schemas"] | internal["components"]["schemas"]
    return {
        "paths": public["paths"] | internal["paths"],
        "components": {"schemas": schemas},
    }


@pytest.mark.parametrize(
    ("path", "method", "success", "refusals", "security"), OPERATIONS
)
def test_each_operation_says_what_opens_it_and_what_it_answers(
    path, method, success, refusals, security
):
    operation = schema()["paths"][f"/api/v1/users{path}"][method]
    assert operation["description"].startswith(operation["summary"][:20])
    assert operation["tags"] == ["users"]
    assert operation["security"] == security
    answers = operation["responses"]
    assert {success} | refusals | ALWAYS <= answers.keys()
    if success != "204":
        assert answers[success]["content"]["application/json"]["examples"]
    for status in refusals | ALWAYS:
        assert answers[status]["content"]["application/problem+json"]["examples"]
    content = operation.get("requestBody", {}).get("content", {})
    assert content.keys() == ({"application/json"} if "415" in refusals else set())


def test_an_operation_can_be_asked_for_the_types_that_it_answers_with():
    """And for no other, as generated clients do."""
    for path, operations in schema()["paths"].items():
        for operation in operations.values():
            answers = operation["responses"].values()
            types = {name for each in answers for name in each.get("content", ())}
            url = re.sub(r"{\w+}", str(uuid.uuid4()), path)
            refused = APIClient().options(url, headers={"Accept": ", ".join(types)})
            assert refused.status_code in (401, 405), path


def test_the_cursor_of_events_is_opaque():
    """As a date, many clients would cut off its microseconds."""
    [before] = schema()["paths"]["/api/v1/users/me/events"]["get"]["parameters"]
    page = schema()["components"]["schemas"]["EventPage"]["properties"]
    assert before["schema"]["type"] == page["next"]["type"] == "string"
    assert "format" not in before["schema"] | page["next"]


def test_where_the_path_has_an_id_there_may_be_nothing():
    for path, operations in schema()["paths"].items():
        for operation in operations.values():
            assert "{" not in path or "404" in operation["responses"], path
            for each in operation.get("parameters", ()):
                assert each["in"] != "path" or each["schema"]["format"] == "uuid"


def test_all_members_of_a_user_are_described_and_always_there():
    """And what a login and a password need."""
    components = schema()["components"]["schemas"]
    user = components["User"]
    assert set(user["required"]) == user["properties"].keys() == ADA.keys()
    for name in ("email", "username"):
        login = components[f"{name.capitalize()}LoginAttemptRequest"]
        assert (login["type"], login["required"]) == ("object", [name, "password"])
        assert login["properties"].keys() == {name, "password", "client", "device"}
    password = components["RegistrationRequest"]["properties"]["password"]
    bounds = {"minLength": 8, "maxLength": 128, "pattern": "^[^\\u0000]*$"}
    assert password.items() >= {**bounds, "writeOnly": True}.items()


def test_members_that_are_always_there_are_required():
    components = schema()["components"]["schemas"]
    problem, factor = components["Problem"], components["Factor"]
    assert set(problem["required"]) == problem["properties"].keys() - {"errors"}
    optional = {"backed_up", "suspect_at"}
    assert set(factor["required"]) == factor["properties"].keys() - optional
    exported = {name: each for name, each in components.items() if "Exported" in name}
    assert len(exported) == 10
    for name, each in exported.items():
        assert set(each["required"]) == each["properties"].keys(), name


def test_a_patch_says_which_members_it_needs():
    components = schema()["components"]["schemas"]
    rename = schema()["paths"]["/api/v1/users/me/factors/{factor_id}"]["patch"]
    assert components["NewNameRequest"]["required"] == ["name"]
    assert rename["requestBody"]["required"] is True
    assert "required" not in components["ProfileRequest"]


def test_the_bodies_of_users_have_no_other_members_but_a_login():
    components = schema()["components"]["schemas"]
    strict = ["Registration", "Profile", "PasswordChange", "VerifyEmail"]
    strict += ["Proof", "Token", "Address", "PasswordReset", "EmailChange", "Deletion"]
    for name in strict:
        assert components[f"{name}Request"]["additionalProperties"] is False
    assert "additionalProperties" not in components["LoginAttemptRequest"]


def test_passkeys_have_the_types_of_webauthn():
    components = schema()["components"]["schemas"]
    shapes = {
        ("PasskeyOptions", "passkey"): "PublicKeyCredentialCreationOptionsJSON",
        ("NewPasskeyRequest", "credential"): "RegistrationResponseJSON",
        ("PasskeyAttemptRequest", "credential"): "AuthenticationResponseJSON",
        ("PasskeyFactorAttemptRequest", "passkey"): "AuthenticationResponseJSON",
    }
    for (name, member), shape in shapes.items():
        found = components[name]["properties"][member]
        assert found == {"$ref": f"#/components/schemas/{shape}"}
        assert {"response", "challenge"} & set(components[shape]["required"])
    attempt = components["PasskeyFactorAttemptRequest"]
    assert attempt["required"] == ["passkey", "challenge", "epoch"]
    assert len(components["FactorAttemptRequest"]["oneOf"]) == 4


LONGEST = f"{'a' * 64}@x.org"
GOOD = {
    "USERNAME": ["ada", "A.d-a_1", "a" * 50],
    "EMAIL": [LONGEST, "a@b.cd", "o'hara+x@sub.example.org", "x@xn--e1a.xn--p1ai"],
    "WEB_ADDRESS": ["http://a", "https://example.org/a%20b?c=d#e", "https://x.org:84"],
}
BAD_EMAILS = """a@b ada ada@localhost ada@@example.org ada@[127.0.0.1] adä@example.org
ada.@example.org a@b.c a@-b.org .a@b.org a..b@c.org @b.org"""
BAD_ADDRESSES = "//a ftp://a.b https:// HTTPS://a@b"
BAD = {
    "USERNAME": ["ab", "a" * 51, "ada\n", "a d a", "ада"],
    "EMAIL": [f"a{LONGEST}", "ada@exa mple.org", "a@b.org\n", *BAD_EMAILS.split()],
    "WEB_ADDRESS": ["https://a b", "http://a\n", *BAD_ADDRESSES.split()],
}


@pytest.mark.parametrize("name", GOOD)
def test_patterns(name):
    pattern = getattr(validators, name)
    assert [text for text in GOOD[name] if not re.search(pattern, text)] == []
    assert [text for text in BAD[name] if re.search(pattern, text)] == []
