"""What a request reads does not grow with the number of users."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from shared.tests.query_plans import reading
from tests.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db

SIZES = (1_000, 4_000)
ROLES = ["clerk", "editor"]

ACTS = {
    "me": lambda ada: User.objects.find(id=ada.pk),
    "log-in by e-mail": lambda ada: User.objects.get_by_identifier(email=ada.email),
    "log-in by username": lambda ada: User.objects.get_by_identifier(
        username=ada.username
    ),
    "registration": lambda ada: User.objects.create_user("bo@example.org", "bo2"),
    "logout everywhere": lambda ada: User.objects.raise_epoch(ada.pk),
}


def fill(count):
    """As many others, half of them with a role, and the statistics of them."""
    first = User.objects.count()
    users = User.objects.bulk_create(
        User(
            email=f"other{number}@example.org",
            username=f"other{number}",
            email_canonical=f"other{number}@example.org",
            username_canonical=f"other{number}",
        )
        for number in range(first, count)
    )
    Group.objects.get(name="clerk").user_set.add(*users[::2])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE users_user, users_user_groups, auth_group")


def test_an_act_reads_as_much_among_many_as_among_few():
    ada, figures = UserFactory(roles=ROLES), {name: [] for name in ACTS}
    for size in SIZES:
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
