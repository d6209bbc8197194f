"""SQL and Redis of each act, and that neither grows with the number of users."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shared.limits.ratelimit import Hits, RateLimitPolicy
from shared.tests.query_plans import reading
from tests.factories import NEW, PASSWORD, WRONG, UserFactory
from tests.guesses import device_of
from users.models import EmailChange, Factor, RecoveryCode, User

CHANGE = {"current_password": PASSWORD, "new_password": NEW}
MISTAKE = {"current_password": WRONG, "new_password": NEW}
PROOF = {"current_password": PASSWORD}
NEW_USER = {"username": "bob", "email": "bob@example.org", "password": PASSWORD}
ROLES = ["clerk", "editor"]


@pytest.fixture
def ada():
    return UserFactory(email="ada@example.org", username="ada", roles=ROLES)


@pytest.fixture
def cost(redis_round_trips, documented):
    """The status of an answer, its statements, and its round trips to Redis."""
    Hits().hit(RateLimitPolicy("REGISTRATION_LIMIT_ADDRESS", ""))  # loads the script

    def measure(act):
        del redis_round_trips[:]
        with CaptureQueriesContext(connection) as statements:
            status = act().status_code
        return status, len(statements), len(redis_round_trips)

    return measure


@pytest.mark.parametrize(
    ("caller", "method", "path", "body", "expected"),
    [
        ("user", "get", "/me", None, (200, 1, 1)),
        ("user", "patch", "/me", {"display_name": "Ada"}, (200, 3, 2)),
        ("user", "patch", "/me", {}, (200, 1, 2)),
        # Read the user, lock the row, write, raise the epoch, and the mail with its
        # job; all in a savepoint.
        # Redis: the session, three limits, and after a success forgetting.
        ("user", "post", "/me/change_password", CHANGE, (204, 6 + 2, 5)),
        ("user", "post", "/me/change_password", MISTAKE, (400, 2, 4)),
        # Read the user, lock the row, write, raise the epoch; the link, the mail with
        # its job, the event; all in a savepoint.
        # Redis: the session, limits, forgetting.
        ("user", "delete", "/me", PROOF, (202, 8 + 2, 5)),
        ("auth", "get", "/{id}", None, (200, 1, 0)),
        ("auth", "post", "/{id}/end_sessions", {}, (200, 1, 0)),
        # Insert, ask whether the address is held, the event; in a savepoint.
        ("none", "post", "", NEW_USER, (201, 3 + 2, 1)),
    ],
)
def test_an_act_has_a_fixed_cost(
    ada, bearer, auth, api_client, cost, caller, method, path, body, expected
):
    clients = {"user": bearer(sub=str(ada.pk)), "auth": auth, "none": api_client}
    call = getattr(clients[caller], method)
    url = "/api/v1/users" + path.format(id=ada.pk)
    assert cost(lambda: call(url, body)) == expected


@pytest.mark.parametrize(
    ("address", "has_device", "hasher", "password", "expected"),
    [
        ("192.0.2.7", False, "default", PASSWORD, (200, 1, 10)),
        ("2001:db8::1", False, "pbkdf2_sha256", PASSWORD, (200, 2, 12)),
        ("2001:db8::1", True, "default", PASSWORD, (200, 1, 4)),
        ("192.0.2.7", False, "pbkdf2_sha256", WRONG, (401, 2, 6)),
        ("192.0.2.7", True, "default", WRONG, (401, 2, 3)),
    ],
    ids=["ipv4", "ipv6", "device", "wrong", "wrong from a device"],
)
def test_verify_is_one_query_and_at_most_twelve_round_trips(
    ada, auth, cost, address, has_device, hasher, password, expected
):
    """Each window of a limit is one, giving back another, forgetting one for all; and
    without a device, whether a link for a new password was used there is one. An
    upgrade of the hash is another query, and so is the event of a failure. Once an hour
    one sets the last login."""
    password_of = UserFactory(hasher=hasher).password
    User.objects.update(password=password_of, last_login=timezone.now())
    body = {"email": ada.email, "password": password}
    body["client"] = {"ip": address, "user_agent": ""}
    body["device"] = device_of(ada) if has_device else ""
    assert cost(lambda: auth.post("/api/v1/users/verify", body)) == expected


def test_a_login_to_the_admin_without_factors_costs_no_more_than_it_did(
    ada, cost, client
):
    """Ours: read the user, the last login, the event. The others are Django's."""
    User.objects.update(is_staff=True)
    body = {"username": ada.email, "password": PASSWORD}
    assert cost(lambda: client.post("/admin/login/", body)) == (302, 11, 10)


ACTS = {
    "me": lambda ada: User.objects.find(id=ada.pk),
    "by e-mail": lambda ada: User.objects.get_by_identifier(email=ada.email),
    "by username": lambda ada: User.objects.get_by_identifier(username="ada"),
    "registration": lambda ada: User(email="bo@example.org", username="bo2").save(),
    "logout everywhere": lambda ada: User.objects.raise_epoch(ada.pk),
}


def fill(count):
    """As many others, half of them with a role, and the statistics of them. Each has a
    factor that waits to be confirmed, and a recovery code."""
    names = [f"other{number}" for number in range(User.objects.count(), count)]
    users = User.objects.bulk_create(
        User(email=f"{name}@example.org", username=name) for name in names
    )
    Group.objects.get(name="clerk").user_set.add(*users[::2])
    times = dict.fromkeys(("created_at", "expires_at"), timezone.now())
    EmailChange.objects.bulk_create(
        EmailChange(user=user, email=user.email, **times) for user in users
    )
    Factor.objects.bulk_create(
        Factor(user=user, type="totp", secret=b"", last_step=0) for user in users
    )
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=b"") for user in users
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE users_user, users_user_groups, users_emailchange")
        cursor.execute("ANALYZE users_factor, users_recoverycode")
        cursor.execute("ANALYZE auth_group")


def test_an_act_reads_as_much_among_many_as_among_few(ada):
    figures = {name: [] for name in ACTS}
    for size in (1_000, 2_000):
        fill(size)
        for name, act in ACTS.items():
            with transaction.atomic():
                with reading() as read:
                    act(ada)
                transaction.set_rollback(True)
            # Roles do not grow with users; no query searches for one.
            assert set(read.whole_tables) <= {"auth_group"}, (name, read.scans)
            figures[name].append(read.rows)
    for name, (few, many) in figures.items():
        # One user, and their roles.
        assert few == many <= 1 + 3 * len(ROLES), name
