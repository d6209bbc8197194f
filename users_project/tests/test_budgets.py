"""SQL and Redis on the success path, without BEGIN and COMMIT."""

import pytest
from django.contrib.auth.hashers import make_password

from shared import ratelimit
from shared.ratelimit import items_of
from tests.factories import PASSWORD, UserFactory
from tests.guesses import device_of
from users import guess_limits
from users.models import User

pytestmark = pytest.mark.django_db


def test_me_is_one_query_and_one_round_trip(
    bearer, django_assert_num_queries, redis_round_trips
):
    client = bearer(sub=str(UserFactory(roles=["a", "b"]).pk))
    del redis_round_trips[:]
    with django_assert_num_queries(1):
        assert client.get("/api/v1/users/me").status_code == 200
    assert len(redis_round_trips) == 1


@pytest.mark.parametrize(
    ("body", "queries"), [({"display_name": "Ada"}, 2), ({}, 1)], ids=["new", "same"]
)
def test_a_change_of_the_profile_is_two_queries(
    bearer, django_assert_num_queries, redis_round_trips, body, queries
):
    client = bearer(sub=str(UserFactory(roles=["a", "b"]).pk))
    del redis_round_trips[:]
    with django_assert_num_queries(queries):
        assert client.patch("/api/v1/users/me", body).status_code == 200
    assert len(redis_round_trips) == 1


@pytest.mark.parametrize(
    ("current", "status", "queries", "round_trips"),
    # Read the user, lock the row, write, read the epoch; between two savepoints. Redis:
    # the session, three limits, and after a success forgetting.
    [(PASSWORD, 204, 4 + 4, 5), ("not the password", 400, 1, 4)],
    ids=["right", "wrong"],
)
def test_a_change_of_the_password_is_four_queries(
    bearer,
    django_assert_num_queries,
    redis_round_trips,
    documented,
    current,
    status,
    queries,
    round_trips,
):
    client = bearer(sub=str(UserFactory().pk))
    body = {"current_password": current, "new_password": "a newer horse battery"}
    del redis_round_trips[:]
    with django_assert_num_queries(queries):
        response = client.post("/api/v1/users/me/change_password", body)
    assert response.status_code == status
    assert len(redis_round_trips) == round_trips


def test_ending_sessions_is_one_query(service_client, django_assert_num_queries):
    user = UserFactory()
    with django_assert_num_queries(1):
        response = service_client("auth").post(f"/api/v1/users/{user.pk}/end_sessions")
    assert response.status_code == 200


def test_a_user_by_id_is_one_query(
    service_client, django_assert_num_queries, redis_round_trips
):
    user = UserFactory(roles=["a", "b"])
    with django_assert_num_queries(1):
        response = service_client("auth").get(f"/api/v1/users/{user.pk}")
    assert response.status_code == 200
    assert redis_round_trips == []


@pytest.mark.parametrize(
    ("address", "has_device", "password", "round_trips"),
    [
        ("192.0.2.7", False, PASSWORD, 9),
        ("2001:db8::1", False, PASSWORD, 11),
        ("2001:db8::1", True, PASSWORD, 4),
        ("192.0.2.7", False, "not the password", 5),
        ("192.0.2.7", True, "not the password", 3),
    ],
    ids=["ipv4", "ipv6", "device", "wrong", "wrong from a device"],
)
def test_verify_is_one_query_and_at_most_twelve_round_trips(
    service_client,
    django_assert_num_queries,
    redis_round_trips,
    documented,
    address,
    has_device,
    password,
    round_trips,
):
    """Each window of a limit is one, giving back another, forgetting one for all."""
    user = UserFactory(roles=["a", "b"])
    device = device_of(user) if has_device else ""
    client = {"ip": address, "user_agent": ""}
    body = {"email": user.email, "password": password, "client": client}
    ratelimit.hit_window(guess_limits.registration_policy(None), items_of("1/day")[0])
    del redis_round_trips[:]  # and Redis knows the script
    with django_assert_num_queries(1):
        answer = service_client("auth").post(
            "/api/v1/users/verify", {**body, "device": device}
        )
    assert answer.status_code == (200 if password == PASSWORD else 401)
    assert len(redis_round_trips) == round_trips <= 12


def test_verify_with_an_upgrade_is_two(service_client, django_assert_num_queries):
    user = UserFactory()
    old = make_password(PASSWORD, hasher="pbkdf2_sha256")
    User.objects.filter(pk=user.pk).update(password=old)
    body = {"email": user.email, "password": PASSWORD}
    with django_assert_num_queries(2):
        response = service_client("auth").post("/api/v1/users/verify", body)
    assert response.status_code == 200


def test_registration_is_one_query_and_one_round_trip(
    api_client, django_assert_num_queries, redis_round_trips
):
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
def test_look_ups_use_an_index(lookup, index):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = User.objects.order_by().filter(**lookup).explain()
    assert "Index" in plan
    assert "Seq Scan" not in plan
