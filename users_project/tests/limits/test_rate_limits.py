"""Guessing at registration and at a change of the password; guessing without Redis."""

import uuid
from contextlib import suppress
from unittest.mock import Mock

import pytest
from django.test import Client
from redis.exceptions import OutOfMemoryError

from shared.api.exceptions import Overloaded, RateLimited
from shared.auth import device_cookie, session_state
from shared.auth.authentication import TokenUser
from shared.limits import ratelimit
from tests.admin_pages import LIST, OWN_PASSWORD, OWN_PASSWORD_PAGE
from tests.factories import EPOCH, NEW, PASSWORD, WRONG, UserFactory
from tests.guesses import HERE, THERE, admin_log_in, device_of, statuses
from users.models import User
from users.passwords import credentials

pytestmark = pytest.mark.usefixtures("documented", "ada")


# Registration


@pytest.fixture
def register(api_client):
    """The answer to a registration by this name, from this address."""

    def post(name, address=HERE, **fields):
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        headers = {"X-Real-IP": address}
        return api_client.post("/api/v1/users", body | fields, headers=headers)

    return post


@pytest.mark.parametrize("address", [HERE, "2001:db8:0:{:x}::1"])
def test_an_address_registers_five_an_hour(register, pass_time, quick, address):
    """REG-03, BF-06. An IPv6 network of 56 bits is one address."""
    answers = [register(f"bob{n}", address.format(n)) for n in range(7)]
    assert statuses(answers) == [201] * 5 + [429] * 2
    assert answers[-1].json()["code"] == "rate_limited"
    assert 3590 <= int(answers[-1]["Retry-After"]) <= 3600
    assert User.objects.filter(username__startswith="bob").count() == 5
    assert register("eve", THERE).status_code == 201
    pass_time(3601)
    assert register("eva", address.format(0)).status_code == 201


def test_asking_whether_a_user_exists_costs_the_same(register, guess, quick):
    """REG-03, BF-08: a 409 tells that there is an account, and locks none."""
    assert statuses(register("ada") for _ in range(7)) == [409] * 5 + [429] * 2
    assert guess(PASSWORD).status_code == 200


@pytest.mark.parametrize(("password", "status"), [("x", 400), (PASSWORD, 503)])
def test_a_registration_without_a_hash_costs_nothing(
    register, monkeypatch, password, status
):
    with monkeypatch.context() as patch:
        patch.setattr(User, "set_password", Mock(side_effect=Overloaded))
        answers = [register("bob", password=password) for _ in range(9)]
    assert statuses(answers) == [status] * 9
    assert register("bob").status_code == 201


# A change of the password


@pytest.fixture
def change(ada, bearer, pushes):
    """The answer to a change of Ada's password in a session, with this current one."""
    clients = {}

    def post(current, session="one", **headers):
        if session not in clients:
            clients[session] = bearer(sub=str(ada.pk), sid=str(uuid.uuid4()))
        body = {"current_password": current, "new_password": NEW}
        path = "/api/v1/users/me/change_password"
        return clients[session].post(path, body, headers=headers)

    return post


def test_a_stolen_token_guesses_for_itself_alone(change, quick):
    """BF-04, BF-06, PWD-08: the owner's other sessions may still change it."""
    answers = [change(WRONG) for _ in range(6)]
    assert statuses(answers) == [400] * 5 + [429]
    assert 890 <= int(answers[-1]["Retry-After"]) <= 900
    assert change(PASSWORD).status_code == 429
    assert len(quick) == 5
    assert change(PASSWORD, "two").status_code == 204


def change_in(sid, ada, current):
    """A change of Ada's password in this session, without HTTP."""
    user = User.objects.find(id=ada.pk, factors=True)
    caller = TokenUser(ada.pk, sid, ada.email, ada.username, (), epoch=EPOCH)
    return credentials.change(user, caller, NEW, current)


def test_a_session_has_twenty_guesses_in_thirty_days_and_all_have_a_hundred(
    ada, change, quick, pass_time
):
    for _ in range(6):
        sid = uuid.uuid4()
        for _ in range(25):
            with suppress(RateLimited):
                change_in(sid, ada, WRONG)
            pass_time(200)
    assert quick == [WRONG] * 100
    assert change(PASSWORD).status_code == 429


def test_a_change_forgets_failures_and_gives_a_fresh_device_cookie(change, quick, ada):
    eve = UserFactory()
    known = device_cookie.renew(device_of(eve), ada)
    assert statuses(change(WRONG) for _ in range(4)) == [400] * 4
    answer = change(PASSWORD, Cookie=f"{device_cookie.name()}={known}")
    cookie = answer.cookies[device_cookie.name()]
    assert (cookie["path"], cookie["samesite"]) == ("/", "Strict")
    ada.refresh_from_db()
    here, other = device_cookie.devices(cookie.value)
    assert here[:2] == (str(ada.pk), ada.password_epoch)
    assert here.id != device_cookie.devices(known)[0].id
    assert other.user_id == str(eve.pk)
    assert statuses(change(WRONG) for _ in range(6)) == [400] * 5 + [429]


def test_a_stolen_session_of_the_admin_guesses_no_password(admin, root, audits, pushes):
    """BF-06, PWD-08: Django's own page of the admin. A change ends all sessions but
    its own, and a cookie comes with it."""
    wrong = OWN_PASSWORD | {"old_password": WRONG}
    guesses = [admin.post(OWN_PASSWORD_PAGE, wrong) for _ in range(6)]
    assert statuses(guesses) == [200] * 5 + [429]
    assert admin.post(OWN_PASSWORD_PAGE, OWN_PASSWORD).status_code == 429
    assert audits("event").count(("authn_password_change_fail",)) == 5
    other = Client()
    other.force_login(root)
    answer = other.post(OWN_PASSWORD_PAGE, OWN_PASSWORD)
    assert answer.status_code == 302
    root.refresh_from_db()
    assert device_cookie.find(answer.cookies[device_cookie.name()].value, root)
    assert root.check_password(NEW)
    assert root.session_epoch == root.password_epoch == EPOCH + 1
    assert (other.get(LIST).status_code, admin.get(LIST).status_code) == (200, 302)


# Without Redis


@pytest.fixture(params=["unavailable", "full"])
def without_redis(request, monkeypatch, settings):
    """Redis does not answer; or it answers, and refuses to count."""
    full = Mock(side_effect=OutOfMemoryError("command not allowed"))
    if request.param == "full":
        monkeypatch.setattr(ratelimit.RedisStorage, "incr", full)
    else:
        default = settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1"}
        settings.CACHES = {"default": default}


def test_without_redis_a_part_of_the_limit_holds(without_redis, guess, quick, settings):
    """FAIL-01: knocking Redis out buys no guesses. Each worker has its part. A full
    Redis still answers for sessions: the breaker of the limits is their own."""
    settings.WEB_CONCURRENCY = 2
    assert statuses(guess() for _ in range(4)) == [401] * 2 + [429] * 2
    assert int(guess()["Retry-After"]) > 880
    assert len(quick) == 2
    assert ratelimit.breaker.is_open()
    assert not session_state.breaker.is_open()


def test_without_redis_every_door_is_guarded(
    without_redis, register, ada, quick, settings
):
    settings.WEB_CONCURRENCY = 1
    assert statuses(register("ada") for _ in range(7)) == [409] * 5 + [429] * 2
    found = statuses(admin_log_in(ada.email) for _ in range(6))
    assert found == [200] * 5 + [429]
    sid = uuid.uuid4()
    for _ in range(5):
        assert not change_in(sid, ada, WRONG)
    with pytest.raises(RateLimited):
        change_in(sid, ada, PASSWORD)
