"""The tables and users of the stock opponent."""

import json
import os

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402

call_command("migrate", verbosity=0)
for each in json.loads(os.environ["USERS"]):
    if not User.objects.filter(username=each["username"]).exists():
        User.objects.create_user(**each)
