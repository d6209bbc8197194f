"""Guessing at registration, at the admin's log-in and at a change of the password."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import responses
from django.conf import settings as django_settings
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse

from shared.api.exceptions import DependencyUnavailable, Overloaded
from shared.auth import session_state
from shared.clients import AuthClient
from shared.limits.rules import DEFAULTS, Limit
from tests.factories import PASSWORD, UserFactory
from users import credentials
from users.models import Tally, User

pytestmark = pytest.mark.django_db

HERE, THERE = "192.0.2.7", "203.0.113.9"
WRONG = "not the password"


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    """Those of the documents."""
    settings.LIMITS = DEFAULTS


@pytest.fixture
def limited(settings: Any) -> Callable[..., None]:
    """The settings with these limits."""

    def limit(**limits: Limit) -> None:
        settings.LIMITS = {**settings.LIMITS, **limits}

    return limit


def redis_away() -> Any:
    """Nobody listens at Redis's address."""
    default = django_settings.CACHES["default"]
    dead = {"default": {**default, "LOCATION": "redis://127.0.0.1:1"}}
    return override_settings(CACHES=dead)


# Registration


@pytest.fixture
def register(api_client: Any) -> Callable[..., Any]:
    """The answer to a registration by this name, from this address."""

    def post(name: str, address: str = HERE, **fields: str) -> Any:
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        headers = {"X-Real-IP": address}
        return api_client.post("/api/v1/users", body | fields, headers=headers)

    return post


def test_an_address_registers_five_an_hour(register: Any, pass_time: Any) -> None:
    """REG-03, BF-06."""
    answers = [register(f"ada{n}") for n in range(7)]
    assert [each.status_code for each in answers] == [201] * 5 + [429] * 2
    assert answers[-1].json()["code"] == "rate_limited"
    assert 3590 <= int(answers[-1]["Retry-After"]) <= 3600
    assert User.objects.count() == 5
    assert register("bob", THERE).status_code == 201
    pass_time(3601)
    assert register("eve").status_code == 201


def test_asking_whether_somebody_is_there_costs_the_same(register: Any) -> None:
    """REG-03: a 409 tells that there is an account."""
    UserFactory(username="ada", email="ada@example.org")
    statuses = [register("ada").status_code for _ in range(7)]
    assert statuses == [409] * 5 + [429] * 2


def test_what_is_malformed_costs_nothing(register: Any) -> None:
    for _ in range(9):
        assert register("ada", password="x").status_code == 400
    assert register("ada").status_code == 201


def test_a_registration_that_found_no_place_is_none(
    register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise Overloaded

    with monkeypatch.context() as patch:
        patch.setattr(User, "set_password", full)
        assert [register("ada").status_code for _ in range(9)] == [503] * 9
    assert register("ada").status_code == 201


def test_everybody_together_has_a_limit(register: Any, limited: Any) -> None:
    limited(REGISTRATION_LIMIT_GLOBAL=Limit(2, 3600))
    statuses = [register(f"a{n}b", f"198.51.{n}.1").status_code for n in range(3)]
    assert statuses == [201, 201, 429]


def test_registering_locks_no_account(register: Any, service_client: Any) -> None:
    """BF-08."""
    user = UserFactory(username="ada", email="ada@example.org")
    for _ in range(7):
        register("ada")
    body = {"email": user.email, "password": PASSWORD}
    assert service_client("auth").post("/api/v1/users/verify", body).status_code == 200
    assert admin_log_in(user.email).status_code != 429


def test_without_redis_registrations_are_counted_too(register: Any) -> None:
    with redis_away():
        statuses = [register(f"ada{n}").status_code for n in range(7)]
    assert statuses == [201] * 5 + [429] * 2
    assert Tally.objects.count() == 1


# The admin's log-in


def admin_log_in(
    email: str, password: str = PASSWORD, address: str = HERE, client: Any = None
) -> Any:
    client = client or Client()
    body = {"username": email, "password": password, "next": "/admin/"}
    headers = {"X-Real-IP": address}
    return client.post("/admin/login/", body, headers=headers)


def test_the_admin_is_no_easier_way(root: User, pass_time: Any, caplog: Any) -> None:
    """BF-06: and tells people so, on a page."""
    statuses = [admin_log_in(root.email, WRONG).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    caplog.clear()
    answer = admin_log_in(root.email)
    assert answer.status_code == 429
    assert answer["Content-Type"].startswith("text/html")
    assert 55 <= int(answer["Retry-After"]) <= 60
    assert "Too many attempts" in answer.content.decode()
    assert "Internal Server Error" not in caplog.text
    pass_time(61)
    assert admin_log_in(root.email).status_code == 302


def test_the_admin_tells_no_password_of_who_has_no_business_there(caplog: Any) -> None:
    """Right and wrong are counted alike, and audited as what they are: refusals."""
    ada, bob = UserFactory(), UserFactory()
    with caplog.at_level("INFO", logger="memo.audit"):
        right = [admin_log_in(ada.email).status_code for _ in range(6)]
        wrong = [admin_log_in(bob.email, WRONG).status_code for _ in range(6)]
    assert right == wrong == [200] * 5 + [429]
    assert "authn_login_success" not in {
        getattr(r, "event", "") for r in caplog.records
    }


def test_a_stolen_session_of_the_admin_guesses_no_password(
    admin: Client, root: User, caplog: Any
) -> None:
    """BF-06, PWD-08: Django's own page of the admin."""

    def change(old: str) -> Any:
        new = dict.fromkeys(("new_password1", "new_password2"), "a newer horse battery")
        return admin.post("/admin/password_change/", {"old_password": old, **new})

    with caplog.at_level("INFO", logger="memo.audit"):
        statuses = [change(WRONG).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert [r.event for r in caplog.records].count("authn_password_change_fail") == 5
    assert change(PASSWORD).status_code == 429
    call_command("liftlock", str(root.pk))
    with caplog.at_level("INFO", logger="memo.audit"):
        assert change(PASSWORD).status_code == 302
    assert "authn_password_change" in [r.event for r in caplog.records]
    assert admin.get("/admin/").status_code == 200


def test_an_attacker_elsewhere_keeps_no_operator_out(root: User) -> None:
    """BF-04."""
    for _ in range(6):
        admin_log_in(root.email, WRONG, THERE)
    assert admin_log_in(root.email, PASSWORD, THERE).status_code == 429
    assert admin_log_in(root.email).status_code == 302


def test_who_is_not_there_is_refused_alike(root: User) -> None:
    def story(email: str) -> list[Any]:
        answers = [admin_log_in(email, WRONG) for _ in range(7)]
        return [(each.status_code, each.get("Retry-After")) for each in answers]

    known = story(root.email)
    for _ in range(2):
        admin_log_in("x@example.org", address=THERE)
    assert [status for status, _ in known] == [200] * 5 + [429] * 2
    assert known[:5] == story("nobody@example.org")[:5]


def test_a_success_forgets_failures_in_the_admin(root: User) -> None:
    for _ in range(3):
        for _ in range(3):
            assert admin_log_in(root.email, WRONG).status_code == 200
        assert admin_log_in(root.email).status_code == 302


def test_without_redis_the_admin_is_guarded_too(root: User) -> None:
    with redis_away():
        statuses = [admin_log_in(root.email, WRONG).status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        assert admin_log_in(root.email, address=THERE).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_a_hundred_at_once_five_get_to_hashing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """BF-02."""
    hashed: list[str] = []
    monkeypatch.setattr(
        credentials, "check", lambda password, **name: hashed.append(password)
    )
    start = threading.Barrier(100)

    def go(_: int) -> int:
        start.wait()
        try:
            status: int = admin_log_in("root@example.org", WRONG).status_code
        finally:
            connection.close()
        return status

    with ThreadPoolExecutor(100) as pool:
        statuses = sorted(pool.map(go, range(100)))
    assert len(hashed) == 5
    assert statuses == [200] * 5 + [429] * 95


# A change of the password


@pytest.fixture
def ada() -> User:
    return UserFactory(email="ada@example.org", username="ada")


@pytest.fixture
def change(ada: User, bearer: Any, pushes: Any) -> Callable[..., Any]:
    """The answer to a change of Ada's password, with this current one."""

    def post(current: str, new: str = "a newer horse battery") -> Any:
        body = {"current_password": current, "new_password": new}
        client = bearer(sub=str(ada.pk))
        return client.post("/api/v1/users/me/change_password", body)

    return post


def test_a_stolen_token_does_not_guess_the_password(
    change: Any, pass_time: Any
) -> None:
    """BF-06, PWD-08."""
    assert [change(WRONG).status_code for _ in range(6)] == [400] * 5 + [429]
    answer = change(PASSWORD)
    assert answer.json()["code"] == "rate_limited"
    assert 55 <= int(answer["Retry-After"]) <= 60
    pass_time(61)
    assert change(PASSWORD).status_code == 204
    assert change(WRONG).status_code == 400


def test_a_change_that_was_right_forgets_failures(change: Any) -> None:
    for _ in range(4):
        change(WRONG)
    assert change(PASSWORD).status_code == 204
    assert [change(WRONG).status_code for _ in range(6)] == [400] * 5 + [429]


def test_without_redis_changes_are_counted_too(ada: User) -> None:
    """Access tokens can then not be verified here: the act itself is asked."""
    words = {"new": "a newer horse battery", "keep_sid": ada.pk, "address": HERE}
    with redis_away():
        for _ in range(5):
            assert not credentials.change(ada, current=WRONG, **words)
        with pytest.raises(Exception, match="Too many attempts"):
            credentials.change(ada, current=PASSWORD, **words)


# Calls of other services


def test_a_service_run_wild_is_stopped(service_client: Any, limited: Any) -> None:
    """BF-06."""
    limited(VERIFY_LIMIT_PER_CALLER=Limit(2, 60))
    body = {"email": "ada@example.org", "password": WRONG}
    client = service_client("auth")
    answers = [client.post("/api/v1/users/verify", body) for _ in range(3)]
    assert [each.status_code for each in answers] == [401, 401, 429]
    with redis_away():
        assert client.post("/api/v1/users/verify", body).status_code == 401
    session_state.breaker.succeeded()


# Locks in the admin


class FakeAuth:
    """The Auth Service, and the locks it knows of."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self.lifted: list[list[str]] = []
        self.down = False

    def locks(self, logins: Any) -> list[dict[str, Any]]:
        self.answer()
        return self.listed

    def lift_locks(self, logins: Any) -> int:
        self.answer()
        self.lifted.append(list(logins))
        self.listed = []
        return 1

    def answer(self) -> None:
        if self.down:
            raise DependencyUnavailable


@pytest.fixture
def auth(monkeypatch: pytest.MonkeyPatch) -> FakeAuth:
    fake = FakeAuth()
    assert set(dir(AuthClient)) >= {"locks", "lift_locks"}
    monkeypatch.setattr("users.admin.lockouts.auth_client", lambda: fake)
    return fake


def url(user: User) -> str:
    return reverse("admin:users_user_locks", args=[user.pk])


def test_the_page_of_a_user_leads_to_its_locks(admin: Client, ada: User) -> None:
    page = admin.get(reverse("admin:users_user_change", args=[ada.pk]))
    assert f'href="{url(ada)}"' in page.content.decode()


def test_locks_of_both_services_are_seen_and_lifted(
    admin: Client, auth: FakeAuth, ada: User, change: Any, caplog: Any
) -> None:
    auth.listed = [{"limit": "login:pair", "failures": 7, "seconds": 119}]
    for _ in range(5):
        admin_log_in(ada.email, WRONG, THERE)
        change(WRONG)
    page = admin.get(url(ada)).content.decode()
    assert page.count("login:pair") == 2
    assert "password:user" in page
    assert "119" in page

    caplog.clear()
    answer = admin.post(url(ada), {"lift": "1"}, follow=True)

    assert "may be tried again at once" in answer.content.decode()
    assert "is not locked" in answer.content.decode()
    assert auth.lifted == [[ada.email, ada.username]]
    assert change(PASSWORD).status_code == 204
    [entry] = LogEntry.objects.filter(object_id=str(ada.pk))
    assert entry.get_change_message() == "Lifted locks: success."
    found = [r for r in caplog.records if getattr(r, "event", "") == "user_lift_lock"]
    assert [(r.user_id, r.outcome) for r in found] == [(str(ada.pk), "success")]


def test_without_the_auth_service_nothing_is_claimed(
    admin: Client, auth: FakeAuth, ada: User
) -> None:
    auth.down = True
    page = admin.get(url(ada))
    assert page.status_code == 503
    assert "is not known" in page.content.decode()
    answer = admin.post(url(ada), {"lift": "1"})
    assert answer.status_code == 302
    [entry] = LogEntry.objects.filter(object_id=str(ada.pk))
    assert entry.get_change_message() == "Lifted locks: incomplete."


def test_locks_are_not_everybodys_to_lift(
    clerk: Client, auth: FakeAuth, root: User, ada: User
) -> None:
    assert clerk.get(url(ada)).status_code == 200
    assert clerk.post(url(root), {"lift": "1"}).status_code == 403
    assert auth.lifted == []
    assert Client().get(url(ada)).status_code == 302
    assert clerk.get("/admin/users/user/no-id/locks/").status_code == 404


@responses.activate
def test_the_client_believes_no_odd_list(settings: Any) -> None:
    client = AuthClient("http://auth.test", "k" * 43)
    responses.post("http://auth.test/api/v1/auth/locks", json={"locks": [{"a": 1}]})
    with pytest.raises(DependencyUnavailable):
        client.locks(["ada"])
