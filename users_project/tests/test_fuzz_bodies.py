"""Bodies that are nearly right (INP-01, INP-03, INP-05, REG-07): an account, a change
or a refusal, and never a fault."""

import itertools
import json

from hypothesis import example, given
from hypothesis import strategies as st

from shared.tests.fuzzing import fuzz
from shared.tests.mutated_text import mutated, values
from tests.factories import PASSWORD
from users.models import User
from users.openapi import PROFILE

REGISTRATION = {
    "username": "ada",
    "email": "ada@example.org",
    "password": PASSWORD,
    **PROFILE,
}
numbers = itertools.count()


@st.composite
def bodies(draw):
    names = draw(st.lists(st.sampled_from([*REGISTRATION]), min_size=1, max_size=3))
    return {name: draw(mutated(REGISTRATION[name]) | values()) for name in names}


def sent(body):
    """What DRF's client would refuse to send, too: NaN, half a character."""
    return {"data": json.dumps(body), "content_type": "application/json"}


@fuzz
@given(odd=bodies())
@example(odd={"email": "ada@example.org\0"})
@example(odd={"username": "ad\u0131"})
@example(odd={"avatar_url": "https://[::1"})
@example(odd={"avatar_url": "https://\u2100.example/"})
def test_an_account_is_made_or_refused(api_client, quick, odd):
    name = f"p{next(numbers)}"
    good = {**REGISTRATION, "username": name, "email": f"{name}@example.org"}
    answer = api_client.post("/api/v1/users", **sent({**good, **odd}))
    assert answer.status_code in (201, 400, 409)
    if answer.status_code == 201:
        user = User.objects.get(id=answer.json()["id"])
        user.full_clean()  # what the admin would say


@fuzz
@given(
    name=st.sampled_from(["email", "username"]),
    value=mutated("ada@example.org") | values(),
)
def test_unknown_credentials_are_refused(auth, quick, name, value):
    body = {name: value, "password": PASSWORD}
    answer = auth.post("/api/v1/users/verify", **sent(body))
    assert answer.status_code in (400, 401)
