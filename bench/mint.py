"""Sessions and tokens for people on stdin, as the Auth Service makes them at a log-in.

Run in its project folder and with its environment; see `Stack.mint`.
"""

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from tokens.jwt_tokens import AccessToken, RefreshToken  # noqa: E402
from tokens.models import Session  # noqa: E402
from tokens.services import mark_active  # noqa: E402


def mint(person: dict) -> dict[str, str]:
    session = Session.objects.open(person, "127.0.0.1", "bench")
    mark_active(AccessToken.issue(session, person, int(time.time())))
    access = AccessToken.issue(session, {**person, "roles": []}, int(time.time()))
    return {"access": str(access), "refresh": str(RefreshToken.current(session))}


json.dump([mint(person) for person in json.load(sys.stdin)], sys.stdout)
