import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from secrets import token_urlsafe

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError
from zxcvbn import matching

from shared.api.exceptions import Overloaded
from tests.factories import NEW, PASSWORD
from users import passwords
from users.models import User
from users.passwords import LengthValidator, ScoreValidator, hashing_pool

ADA = User(
    username="lovelace1815",
    email="ada.king@example.org",
    first_name="Augusta",
    last_name="Byronovna",
    display_name="Enchantress",
)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("seven77", "password_too_short"),
        ("x" * 129, "password_too_long"),
        ("password1", "password_too_common"),
        ("PassWord1", "password_too_common"),
        ("Memo-2026!", "password_too_obvious"),
        ("MEMOPRODUCT", "password_too_obvious"),
        ("lovelace1815", "password_too_obvious"),
        ("!LoveLace!99", "password_too_obvious"),
        ("memoproductmemoproduct", "password_too_obvious"),
        ("Memo-Product 2026", "password_too_obvious"),
        ("lovelace.ada.king", "password_too_obvious"),
        ("adaking123", "password_too_obvious"),
        ("lovelace1816", "password_too_similar"),
        ("augusta12", "password_too_similar"),
        ("byronovna1", "password_too_similar"),
        ("enchantress", "password_too_similar"),
        ("ada.king@example.com", "password_too_similar"),
    ],
)
def test_what_somebody_would_guess_is_refused(password, code):
    with pytest.raises(ValidationError) as caught:
        validate_password(password, ADA)
    assert code in [error.code for error in caught.value.error_list]


NAMELESS = User(username="12345", email="6@example.org")


@pytest.mark.parametrize("user", [ADA, NAMELESS, None], ids=["ada", "digits", "none"])
def test_there_are_no_rules_of_composition(user):
    """Names without letters forbid no digits."""
    for password in ("xkqzvwpj", "83746501927465", "memorable moments", "ключ и дверь"):
        validate_password(password, user)


@pytest.mark.parametrize("length", [7, 0, 129])
def test_a_least_length_below_eight_is_refused_by_name(settings, length):
    settings.PASSWORD_MIN_LENGTH = length
    with pytest.raises(ImproperlyConfigured, match="PASSWORD_MIN_LENGTH"):
        LengthValidator()


# Nothing but their score is against them.
OBVIOUS = """Password123! P@ssw0rd! Passw0rd! P@ssword1 Welcome123! Qwerty123! Admin123!
Changeme1! 1q2w3e4r5t6y! passwordpassword monkeymonkey aaaaaaaaaaaa abcdefghijkl
20260131 31.01.2026 football2026 trustno1! dragon1234 Superman!1 Sunshine1! Princess1!
abc123abc123 Password!Password! mypassword1"""


@pytest.mark.parametrize("password", OBVIOUS.split())
def test_what_is_easy_to_guess_is_refused(password, settings):
    with pytest.raises(ValidationError, match="take several words") as caught:
        validate_password(password, ADA)
    assert [error.code for error in caught.value.error_list] == ["password_too_weak"]
    settings.PASSWORD_MIN_SCORE = 0
    validate_password(password, ADA)


@pytest.mark.parametrize(
    "password",
    ["kingexample1", "Zvonimira.1", "1remlinster", "zvonimira-example", "QueenKing-7"],
)
def test_own_words_are_easy_to_guess(password):
    """In parts too: those of names and of the address."""
    king = User(username="x-remlinster", email="king@example.org")
    king.display_name = "Queen Zvonimira"
    validate_password(password, None)
    with pytest.raises(ValidationError):
        validate_password(password, king)


@pytest.mark.parametrize("password", [PASSWORD, NEW, "x7-Rz.q2!", "Tr0ub4dor&3"])
def test_a_good_password_is_taken(password):
    validate_password(password, ADA)
    for length in (9, 12, 96):
        validate_password(token_urlsafe(length), ADA)


def test_the_least_score_is_a_setting(settings):
    assert passwords.score("Summer2026!", []) == 2
    validate_password("Summer2026!", ADA)
    settings.PASSWORD_MIN_SCORE = 3
    with pytest.raises(ValidationError):
        validate_password("Summer2026!", ADA)


def test_the_beginning_is_scored():
    with pytest.raises(ValidationError):
        ScoreValidator().validate("a" * 64 + token_urlsafe(40))
    ScoreValidator().validate(token_urlsafe(40) + "a" * 64)


SIGNS = "4@8({[<369!|1$570+%2"


@pytest.mark.parametrize(
    "password",
    [
        "".join(random.Random(1).choices(SIGNS, k=128)),
        "1234567890!@#$%^&*()" * 6,
        "a" * 40 + SIGNS * 3,
        "x" * 128,
    ],
)
def test_no_password_takes_seconds(password):
    """With all signs at once, 64 characters would take two."""
    passwords.score("warm", [])
    started = time.thread_time()
    passwords.score(password, [])
    assert time.thread_time() - started < 0.5


def test_a_score_is_made_where_passwords_are_hashed(monkeypatch, full_pool):
    with pytest.raises(Overloaded):
        validate_password(PASSWORD, ADA)
    hashing_pool.pool.cache_clear()
    threads = []

    def score(password, words):
        threads.append(threading.current_thread().name)
        return 4

    monkeypatch.setattr(passwords, "score", score)
    validate_password(PASSWORD, ADA)
    assert [name.startswith("hashing") for name in threads] == [True]


def test_two_at_once_do_not_share_their_words(monkeypatch):
    """zxcvbn keeps them in a global variable."""
    names = ("zvonimira", "kasimirov")
    inside = threading.Barrier(2)

    def slow(*args, **kwargs):
        with suppress(threading.BrokenBarrierError):
            inside.wait(0.2)  # both are here, if they may be
        return omnimatch(*args, **kwargs)

    omnimatch = matching.omnimatch
    monkeypatch.setattr(matching, "omnimatch", slow)
    with ThreadPoolExecutor(2) as threads:
        scores = threads.map(lambda name: passwords.score(name, [name]), names)
    assert [*scores] == [0, 0]
