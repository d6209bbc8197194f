import pytest

from shared.auth import device_cookie
from tests.factories import ARGON2_COSTS, EPOCH, PASSWORD, WRONG, UserFactory, hashed
from tests.refusals import assert_refused
from users.models import User
from users.passwords.hashers import Argon2Hasher

URL = "/api/v1/users/verify"


@pytest.mark.parametrize(
    "login",
    [
        {"email": " ADA@Example.Org "},
        {"username": "ADA"},
        {"email": "ada@example.org", "username": "unknown"},
    ],
    ids=repr,
)
def test_right_credentials_tell_whose_they_are(auth, hashes, login):
    user = UserFactory(
        email="Ada@Example.org", username="Ada", roles=["b", "a"], session_epoch=3
    )
    response = auth.post(f"{URL}/", {**login, "password": PASSWORD})
    assert response.status_code == 200
    answer = response.json()
    assert device_cookie.find(answer.pop("device"), user)
    assert answer == {
        "sub": str(user.pk),
        "email": "Ada@Example.org",
        "email_verified": False,
        "username": "Ada",
        "roles": ["a", "b"],
        "session_epoch": 3,
        "factors": {
            **{"methods": [], "passkeys": [], "required": False, "trusted": False}
        },
    }
    assert hashes == [("verify", *ARGON2_COSTS)]


ADA = {"email": "ada@example.org", "password": PASSWORD}
REFUSED = {
    "wrong": ({}, {"password": WRONG}),
    "trimmed": ({}, {"password": f" {PASSWORD}"}),
    "unknown": ({}, {"email": "unknown@example.org"}),
    "unknown username": ({}, {"email": ..., "username": "unknown"}),
    # The e-mail address wins, also if the username would be right.
    "email of another": ({}, {"email": "unknown@example.org", "username": "ada"}),
    "inactive": ({"is_active": False}, {}),
    "deleted": ({"deleted_at": "2026-01-31T12:00:00Z"}, {}),
    "no password": ({"password": "!unusable", "hasher": "raw"}, {}),
    "gibberish": ({"password": "not a hash", "hasher": "raw"}, {}),
    "malformed bcrypt": ({"password": "bcrypt$2b$12$short", "hasher": "raw"}, {}),
    "malformed argon2": ({"password": "argon2$x", "hasher": "raw"}, {}),
    "malformed PBKDF2": ({"password": "pbkdf2_sha256$x$s$h", "hasher": "raw"}, {}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_all_others_are_refused_alike_after_one_hash(auth, hashes, case):
    fields, changed = REFUSED[case]
    UserFactory(email="ada@example.org", username="ada", **fields)
    body = {name: text for name, text in (ADA | changed).items() if text is not ...}
    problem = assert_refused(auth.post(URL, body), 401, "invalid_credentials")
    assert problem["detail"] == "Login or password is wrong."
    assert "errors" not in problem
    assert [costs for _, *costs in hashes] == [[*ARGON2_COSTS]]


# Upgrades of the hash


@pytest.mark.parametrize(
    "hasher", ["pbkdf2_sha256", "bcrypt_sha256", "bcrypt", "other costs"]
)
def test_an_imported_hash_verifies_and_is_replaced(auth, hasher, pushes, on_commit):
    """And so is one of other costs; by no wrong password."""
    other = Argon2Hasher()
    old = other.encode(PASSWORD, other.salt())
    old = old if hasher == "other costs" else hashed(PASSWORD, hasher)
    user = UserFactory(session_epoch=2, password=old, hasher="raw")
    auth.post(URL, {"email": user.email, "password": WRONG})
    assert User.objects.get(pk=user.pk).password == old
    with on_commit():
        response = auth.post(URL, {"email": user.email, "password": PASSWORD})
    assert response.status_code == 200
    user.refresh_from_db()
    assert "$m={},t={},p=1$".format(*ARGON2_COSTS) in user.password
    assert user.check_password(PASSWORD)
    assert user.session_epoch == response.json()["session_epoch"] == 2
    assert pushes == []


def test_an_upgrade_ends_no_session_of_the_admin():
    user = UserFactory(hasher="pbkdf2_sha256")
    before = user.get_session_auth_hash()
    assert user.check_password(PASSWORD)
    assert user.password.startswith("argon2")
    assert user.get_session_auth_hash() == before


def test_an_upgrade_never_overwrites_a_newer_password(auth, monkeypatch):
    """PWD-05: somebody changes the password while the old one is being verified."""
    user, newer = UserFactory(hasher="pbkdf2_sha256"), hashed("the newer password")
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
