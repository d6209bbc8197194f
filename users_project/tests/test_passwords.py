import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError

from users.models import User
from users.passwords import LengthValidator

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
    for password in ("xkqzvwpj", "83746501927465", "        ", " password1"):
        validate_password(password, user)
    for password in ("memorable moments", "\U0001f511" * 8, "x" * 128):
        validate_password(password, user)


@pytest.mark.parametrize("length", [7, 0, 129])
def test_a_least_length_below_eight_is_refused_by_name(settings, length):
    settings.PASSWORD_MIN_LENGTH = length
    with pytest.raises(ImproperlyConfigured, match="PASSWORD_MIN_LENGTH"):
        LengthValidator()
