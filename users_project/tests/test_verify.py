import pytest
from django.contrib.auth.hashers import make_password
from django.db import OperationalError

from shared.auth import device_cookie
from tests.factories import EPOCH, PASSWORD, UserFactory, hashed
from tests.refusals import assert_refused
from users import hashers
from users.models import User

pytestmark = pytest.mark.django_db

URL = "/api/v1/users/verify"


@pytest.fixture
def auth(service_client):
    """The Auth Service."""
    return service_client("auth")


@pytest.fixture
def hashes(monkeypatch):
    """What Argon2 is made to do: the parameters of each hash, computed or compared."""
    done: list[str] = []

    def counted(name):
        original = getattr(hashers.Argon2PasswordHasher, name)

        def method(self, password, other):
            params = self.params() if name == "encode" else self.decode(other)["params"]
            done.append(f"m={params.memory_cost},t={params.time_cost}")
            return original(self, password, other)

        monkeypatch.setattr(hashers.Argon2Hasher, name, method)

    counted("encode")
    counted("verify")
    return done


@pytest.mark.parametrize(
    "login",
    [
        {"email": "ada@example.org"},
        {"email": " ADA@Example.Org "},
        {"username": "ada"},
        {"username": "ADA"},
        {"email": "ada@example.org", "username": "nobody"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("slash", ["", "/"], ids=["bare", "with slash"])
def test_right_credentials_tell_whose_they_are(auth, login, slash):
    user = UserFactory(
        email="Ada@Example.org", username="Ada", roles=["b", "a"], session_epoch=3
    )
    response = auth.post(URL + slash, {**login, "password": PASSWORD})
    assert response.status_code == 200
    answer = response.json()
    assert device_cookie.find(answer.pop("device"), user)
    assert answer == {
        "sub": str(user.pk),
        "email": "Ada@Example.org",
        "username": "Ada",
        "roles": ["a", "b"],
        "session_epoch": 3,
    }


def wrong():
    return {"email": UserFactory().email, "password": "not the password"}


def unknown():
    return {"email": "nobody@example.org", "password": PASSWORD}


def unknown_username():
    return {"username": "nobody", "password": PASSWORD}


def inactive():
    return {"email": UserFactory(is_active=False).email, "password": PASSWORD}


def deleted():
    user = UserFactory()
    user.soft_delete()
    return {"email": user.email, "password": PASSWORD}


def without_password():
    user = UserFactory()
    User.objects.filter(pk=user.pk).update(password=make_password(None))
    return {"email": user.email, "password": PASSWORD}


def with_gibberish():
    user = UserFactory()
    User.objects.filter(pk=user.pk).update(password="not a hash")
    return {"email": user.email, "password": PASSWORD}


def trimmed():
    return {"email": UserFactory().email, "password": f" {PASSWORD}"}


def email_of_another_name():
    """The e-mail address wins, also where the username would be right."""
    user = UserFactory()
    return {
        "email": "nobody@example.org",
        "username": user.username,
        "password": PASSWORD,
    }


REFUSED = [
    wrong,
    unknown,
    unknown_username,
    inactive,
    deleted,
    without_password,
    with_gibberish,
    trimmed,
    email_of_another_name,
]


@pytest.mark.parametrize("case", REFUSED)
def test_all_others_are_refused_alike_after_one_hash(auth, hashes, case):
    credentials = case()
    del hashes[:]
    problem = assert_refused(auth.post(URL, credentials), 401, "invalid_credentials")
    assert problem["detail"] == "Login or password is wrong."
    assert "errors" not in problem
    assert hashes == ["m=19456,t=2"]


def test_right_credentials_take_the_same_work(auth, hashes):
    user = UserFactory()
    del hashes[:]
    auth.post(URL, {"email": user.email, "password": PASSWORD})
    assert hashes == ["m=19456,t=2"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": PASSWORD}, "email"),
        ({"email": "ada@example.org"}, "password"),
        ({"email": "ada@example.org", "password": 12345678}, "password"),
        ({"email": "ada@example.org", "password": True}, "password"),
        ({"email": "ada@example.org", "password": None}, "password"),
        ({"email": "ada@example.org", "password": "x\x00y"}, "password"),
        ({"email": "ada@example.org", "password": "x" * 129}, "password"),
        ({"email": 5, "password": PASSWORD}, "email"),
        ({"email": "x\x00y", "password": PASSWORD}, "email"),
        ({"email": "x" * 255, "password": PASSWORD}, "email"),
        ({"username": ["ada"], "password": PASSWORD}, "username"),
        ([], "non_field_errors"),
        ("x", "non_field_errors"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_input_is_refused_unhashed(auth, hashes, body, field):
    problem = assert_refused(auth.post(URL, body), 400, "validation_error")
    assert problem["errors"].keys() == {field}
    assert hashes == []


# Upgrades of the hash


@pytest.mark.parametrize("algorithm", ["pbkdf2_sha256", "bcrypt_sha256", "bcrypt"])
def test_an_imported_hash_verifies_and_is_replaced(auth, algorithm, pushes, on_commit):
    user = UserFactory(session_epoch=2)
    old = make_password(PASSWORD, hasher=algorithm)
    User.objects.filter(pk=user.pk).update(password=old)
    with on_commit():
        response = auth.post(URL, {"email": user.email, "password": PASSWORD})
    assert response.status_code == 200
    user.refresh_from_db()
    assert user.password.startswith("argon2$")
    assert user.check_password(PASSWORD)
    assert user.session_epoch == response.json()["session_epoch"] == 2
    assert pushes == []


def test_a_hash_of_other_costs_is_replaced(auth, settings):
    settings.ARGON2_MEMORY_COST = 19456 + 1024
    expensive = hashers.Argon2Hasher()
    encoded = expensive.encode(PASSWORD, expensive.salt())
    user = UserFactory()
    User.objects.filter(pk=user.pk).update(password=encoded)
    response = auth.post(URL, {"email": user.email, "password": PASSWORD})
    assert response.status_code == 200
    user.refresh_from_db()
    assert "$m=19456,t=2,p=1$" in user.password


def test_a_wrong_password_replaces_no_hash(auth):
    old = make_password(PASSWORD, hasher="pbkdf2_sha256")
    user = UserFactory()
    User.objects.filter(pk=user.pk).update(password=old)
    auth.post(URL, {"email": user.email, "password": "not the password"})
    user.refresh_from_db()
    assert user.password == old


def test_an_upgrade_never_overwrites_a_newer_password(auth, monkeypatch):
    """PWD-05: somebody changes the password while the old one is being verified."""
    user = UserFactory()
    old = make_password(PASSWORD, hasher="pbkdf2_sha256")
    User.objects.filter(pk=user.pk).update(password=old)
    newer = hashed("the newer password")

    replace_hash = User.replace_hash

    def meanwhile(self, fresh):
        User.objects.filter(pk=user.pk).update(password=newer, session_epoch=EPOCH + 1)
        replace_hash(self, fresh)

    monkeypatch.setattr(User, "replace_hash", meanwhile)
    response = auth.post(URL, {"email": user.email, "password": PASSWORD})
    user.refresh_from_db()
    assert user.password == newer
    # The epoch of the read that verified: the new session is dead from the start.
    assert response.json()["session_epoch"] == EPOCH
    assert user.session_epoch == EPOCH + 1


def test_a_database_that_is_away_is_no_wrong_password(auth, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError

    monkeypatch.setattr("users.managers.UserManager.find", away)
    response = auth.post(URL, {"email": "ada@example.org", "password": PASSWORD})
    assert_refused(response, 503, "dependency_unavailable")
