from datetime import datetime

import pytest
from django.db import IntegrityError
from rest_framework.test import APIClient

from tests.factories import PASSWORD, UserFactory
from tests.guesses import statuses
from tests.refusals import assert_invalid, assert_refused
from users.models import User
from users.openapi import PROFILE

URL = "/api/v1/users"
NAMES = {"username": "Ada", "email": "Ada@Example.org"}
ADA = {**NAMES, "password": PASSWORD}


def test_registration_answers_with_the_user(api_client):
    response = api_client.post(f"{URL}/", ADA | PROFILE)
    user = User.objects.get()
    assert response.status_code == 201
    assert response["Location"] == "/api/v1/users/me"
    assert response["Content-Type"] == "application/json"
    answer = response.json()
    for name in ("created_at", "updated_at"):
        assert datetime.fromisoformat(answer.pop(name)) == getattr(user, name)
    state = {"is_active": True, "is_deleted": False, "deleted_at": None, "roles": []}
    state |= {"email_verified": False, "locale": "en"}
    assert answer == {"id": str(user.pk), **NAMES, **PROFILE, **state}


def test_space_around_names_is_dropped_but_never_around_the_password(api_client):
    padded = {name: f" {text} " for name, text in ADA.items()}
    assert api_client.post(URL, padded).json().items() >= NAMES.items()
    user = User.objects.get()
    assert user.check_password(f" {PASSWORD} ")
    assert not user.check_password(PASSWORD)


def test_other_members_are_refused_by_name(api_client):
    forbidden = {
        "id": "00000000-0000-4000-8000-000000000000",
        "is_staff": True,
        "is_superuser": True,
        "is_active": False,
        "roles": ["admin"],
        "groups": [1],
        "session_epoch": 7,
        "deleted_at": "2026-01-31T12:00:00Z",
        "created_at": "2000-01-01T00:00:00Z",
        "email_canonical": "other@example.org",
        "password_hash": "x",
        "unknown": {"nested": []},
    }
    answer = api_client.post(URL, ADA | forbidden)
    errors = assert_refused(answer, 400, "validation_error")["errors"]
    assert errors.keys() == forbidden.keys()
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("username", ..., "required"),
        ("username", "ada@example.org", "invalid"),
        ("username", "ada\x00", "null_characters_not_allowed"),
        ("email", "ada@example.org\nbcc:x@y.zz", "invalid"),
        ("email", f"{'a' * 65}@example.org", "invalid"),
        # Its mail would go to ada@example.org.
        ("email", "=?utf-8?q?ada?=@example.org", "invalid"),
        ("email", f"ada@{'a.' * 124}org", "max_length"),
        ("password", ..., "required"),
        ("password", "\U0001f511" * 7, "min_length"),
        ("password", "x" * 129, "max_length"),
        ("password", "with a null\x00 in it", "null_characters_not_allowed"),
        ("password", "ada@example.org", "password_too_similar"),
        ("password", "Password123!", "password_too_weak"),
        ("first_name", 5, "invalid"),
        ("first_name", "a" * 151, "max_length"),
        ("last_name", "Love\nlace", "invalid"),
        ("avatar_url", None, "null"),
        ("avatar_url", "javascript:alert(1)", "invalid"),
        ("avatar_url", "https://user:secret@example.org/", "invalid"),
        ("avatar_url", 'https://example.org/"onload="x', "invalid"),
        ("avatar_url", f"https://example.org/{'a' * 500}", "max_length"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_input_is_refused_by_field(api_client, field, value, code):
    body = {name: text for name, text in {**ADA, field: value}.items() if text != ...}
    assert_invalid(api_client.post(URL, body), field, code)
    assert not User.objects.exists()


@pytest.mark.parametrize("length", [8, 128])
@pytest.mark.parametrize("first", ["\U0001f511", "é"])
def test_length_is_counted_in_code_points(api_client, length, first):
    password = "".join(chr(ord(first) + n * n % 97) for n in range(length))
    assert api_client.post(URL, ADA | {"password": password}).status_code == 201
    assert User.objects.get().check_password(password)


def test_a_refused_password_is_not_echoed(api_client):
    response = api_client.post(URL, ADA | {"password": "short-1"})
    assert "short-1" not in response.content.decode()


def test_the_least_length_is_a_setting(api_client, settings):
    settings.PASSWORD_MIN_LENGTH = 15
    response = api_client.post(URL, ADA | {"password": "fourteen chars"})
    assert_invalid(response, "password", "min_length")


def test_no_body_is_a_fault_of_ours(api_client):
    def refusal(body):
        return api_client.post(URL, body, content_type="application/json")

    for body in (b"", b"[]"):
        assert_refused(refusal(body), 400, "validation_error")
    for body in (b"{", b"[" * 5000, rb'{"password": "\ud800 half a character"}'):
        assert_refused(refusal(body), 400, "invalid_json")
    for levels in range(1, 1000, 3):  # at some, Python's stack ends in a field
        body = b'{"locale": ' + b"[" * levels + b"]" * levels + b"}"
        assert refusal(body).status_code == 400


def test_only_json_is_taken_and_given(api_client):
    response = api_client.post(URL, b"x=1", content_type="text/plain")
    assert_refused(response, 415, "unsupported_media_type")
    response = api_client.post(URL, ADA, headers={"Accept": "text/html"})
    assert_refused(response, 406, "not_acceptable")


@pytest.mark.parametrize("taken", [{"email": "ADA@example.org"}, {"username": "aDA"}])
@pytest.mark.parametrize("gone", [False, True], ids=["present", "deleted"])
def test_a_name_is_taken_in_any_case_and_for_good(api_client, taken, gone, caplog):
    owner = UserFactory(email="ada@example.org", username="ada")
    if gone:
        owner.soft_delete()
    caplog.clear()
    other = {"email": "other@example.org", "username": "other"}
    response = api_client.post(URL, ADA | other | taken)
    problem = assert_refused(response, 409, "account_exists")
    assert "errors" not in problem
    assert "example.org" not in response.content.decode() + caplog.text
    assert User.objects.count() == 1


def test_another_fault_of_the_row_is_not_called_a_twin(api_client, monkeypatch):
    monkeypatch.setattr("users.db.fields.normalize_identifier", str.upper)
    with pytest.raises(IntegrityError):
        api_client.post(URL, ADA)


@pytest.mark.usefixtures("quick")
def test_of_fifty_at_once_one_wins(settings, at_once):
    settings.WEB_THREADS = 100  # all fifty may wait for their hash
    answers = at_once(*[lambda: APIClient().post(URL, ADA)] * 50)
    assert sorted(statuses(answers)) == [201] + [409] * 49
    assert User.objects.count() == 1
