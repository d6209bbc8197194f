"""SQL and Redis on the success path, without BEGIN and COMMIT."""

from typing import Any

import pytest
from django.contrib.auth.hashers import make_password

from tests.factories import PASSWORD, UserFactory
from users.models import User

pytestmark = pytest.mark.django_db


def test_me_is_one_query_and_one_round_trip(
    bearer: Any, django_assert_num_queries: Any, redis_round_trips: list[int]
) -> None:
    client = bearer(sub=str(UserFactory(roles=["a", "b"]).pk))
    del redis_round_trips[:]
    with django_assert_num_queries(1):
        assert client.get("/api/v1/users/me").status_code == 200
    assert len(redis_round_trips) == 1


@pytest.mark.parametrize(
    ("body", "queries"), [({"display_name": "Ada"}, 2), ({}, 1)], ids=["new", "same"]
)
def test_a_change_of_the_profile_is_two_queries(
    bearer: Any,
    django_assert_num_queries: Any,
    redis_round_trips: list[int],
    body: dict[str, str],
    queries: int,
) -> None:
    client = bearer(sub=str(UserFactory(roles=["a", "b"]).pk))
    del redis_round_trips[:]
    with django_assert_num_queries(queries):
        assert client.patch("/api/v1/users/me", body).status_code == 200
    assert len(redis_round_trips) == 1


@pytest.mark.parametrize(
    ("current", "status", "queries", "round_trips"),
    # Read the user, lock the row, write, read the epoch; between two savepoints. Redis:
    # the session, the limit, and after a success forgetting.
    [(PASSWORD, 204, 4 + 4, 3), ("not the password", 400, 1, 2)],
    ids=["right", "wrong"],
)
def test_a_change_of_the_password_is_four_queries(
    bearer: Any,
    django_assert_num_queries: Any,
    redis_round_trips: list[int],
    current: str,
    status: int,
    queries: int,
    round_trips: int,
) -> None:
    client = bearer(sub=str(UserFactory().pk))
    body = {"current_password": current, "new_password": "a newer horse battery"}
    del redis_round_trips[:]
    with django_assert_num_queries(queries):
        response = client.post("/api/v1/users/me/change_password", body)
    assert response.status_code == status
    assert len(redis_round_trips) == round_trips


def test_ending_sessions_is_one_query(
    service_client: Any, django_assert_num_queries: Any
) -> None:
    user = UserFactory()
    with django_assert_num_queries(1):
        response = service_client("auth").post(f"/api/v1/users/{user.pk}/end_sessions")
    assert response.status_code == 200


def test_a_user_by_id_is_one_query(
    service_client: Any, django_assert_num_queries: Any, redis_round_trips: list[int]
) -> None:
    user = UserFactory(roles=["a", "b"])
    with django_assert_num_queries(1):
        response = service_client("auth").get(f"/api/v1/users/{user.pk}")
    assert response.status_code == 200
    assert redis_round_trips == []


@pytest.mark.parametrize(
    ("password", "status"), [(PASSWORD, 200), ("not the password", 401)]
)
def test_verify_is_one_query_and_one_round_trip(
    service_client: Any,
    django_assert_num_queries: Any,
    redis_round_trips: list[int],
    password: str,
    status: int,
) -> None:
    body = {"email": UserFactory(roles=["a", "b"]).email, "password": password}
    del redis_round_trips[:]
    with django_assert_num_queries(1):
        response = service_client("auth").post("/api/v1/users/verify", body)
    assert response.status_code == status
    assert len(redis_round_trips) == 1


def test_verify_with_an_upgrade_is_two(
    service_client: Any, django_assert_num_queries: Any
) -> None:
    user = UserFactory()
    old = make_password(PASSWORD, hasher="pbkdf2_sha256")
    User.objects.filter(pk=user.pk).update(password=old)
    body = {"email": user.email, "password": PASSWORD}
    with django_assert_num_queries(2):
        response = service_client("auth").post("/api/v1/users/verify", body)
    assert response.status_code == 200


def test_registration_is_one_query_and_one_round_trip(
    api_client: Any, django_assert_num_queries: Any, redis_round_trips: list[int]
) -> None:
    del redis_round_trips[:]
    body = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    with django_assert_num_queries(3):  # INSERT between SAVEPOINT and RELEASE
        assert api_client.post("/api/v1/users", body).status_code == 201
    assert len(redis_round_trips) == 1


@pytest.mark.parametrize(
    ("lookup", "index"),
    [
        ({"email_canonical": "person7@example.org"}, "email_canonical"),
        ({"username_canonical": "person7"}, "username_canonical"),
        ({"email_canonical__startswith": "person7"}, "email_canonical_f1"),
    ],
    ids=["e-mail", "username", "prefix"],
)
def test_look_ups_use_an_index(lookup: dict[str, str], index: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = User.objects.order_by().filter(**lookup).explain()
    assert "Index" in plan
    assert "Seq Scan" not in plan
