"""Tables, people and tokens for the stock opponent.

`mint.py PEOPLE` has at least so many people and prints a new pair {access, refresh} of
each as JSON; the first call makes the tables.
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from rest_framework_simplejwt.tokens import RefreshToken  # noqa: E402


def make_people(count: int) -> None:
    call_command("migrate", verbosity=0)
    first = User.objects.count() + 1
    if first > count:
        return
    hashed = make_password(os.environ["STOCK_PASSWORD"])
    names = [f"bench{number}" for number in range(first, count + 1)]
    User.objects.bulk_create(
        User(username=name, email=f"{name}@example.org", password=hashed)
        for name in names
    )


def pair(user: User) -> dict[str, str]:
    token = RefreshToken.for_user(user)
    return {"access": str(token.access_token), "refresh": str(token)}


count = int(sys.argv[1])
make_people(count)
json.dump([pair(user) for user in User.objects.order_by("id")[:count]], sys.stdout)
