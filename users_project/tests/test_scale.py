"""What a request reads does not grow with the number of people."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection

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


def fill(count: int) -> None:
    """As many others, half of them with a role, and the statistics of them."""
    first = User.objects.count()
    people = User.objects.bulk_create(
        User(
            email=f"other{number}@example.org",
            username=f"other{number}",
            email_canonical=f"other{number}@example.org",
            username_canonical=f"other{number}",
        )
        for number in range(first, count)
    )
    Group.objects.get(name="clerk").user_set.add(*people[::2])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE users_user, users_user_groups, auth_group")


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_an_act_reads_as_much_among_many_as_among_few(act):
    ada = UserFactory(roles=ROLES)
    figures = []
    for size in SIZES:
        fill(size)
        with reading() as read:
            act(ada)
        User.objects.filter(username="bo2").delete()
        # There are as many roles as there are; nobody searches for one.
        assert set(read.whole_tables) <= {"auth_group"}, read.scans
        figures.append(read.rows)

    assert figures[0] == figures[1]
    # One person, and their roles.
    assert figures[0] <= 1 + 3 * len(ROLES)
