from collections import Counter

import bcrypt
import pytest
from django.contrib.auth.hashers import check_password, get_hashers, make_password
from django.core.exceptions import ImproperlyConfigured

from users.passwords.hashers import Argon2Hasher

LONG = "\N{LATIN SMALL LETTER E WITH ACUTE}" * 50  # 100 bytes


def test_new_hashes_are_argon2id_with_the_costs_of_the_settings(settings):
    """And with a salt of 128 bits."""
    settings.ARGON2_MEMORY_COST = 20480
    settings.ARGON2_TIME_COST = 3
    settings.ARGON2_PARALLELISM = 2
    hasher = Argon2Hasher()
    assert hasher.salt_entropy >= 128
    encoded = hasher.encode("password", hasher.salt())
    assert encoded.startswith("argon2$argon2id$v=19$m=20480,t=3,p=2$")
    assert hasher.verify("password", encoded)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("ARGON2_MEMORY_COST", 19456),
        ("ARGON2_TIME_COST", 2),
        ("ARGON2_PARALLELISM", 1),
    ],
)
def test_costs_below_the_floor_are_refused_by_name(settings, name, least):
    setattr(settings, name, least - 1)
    with pytest.raises(ImproperlyConfigured, match=name):
        Argon2Hasher()


def test_each_algorithm_has_one_hasher_and_argon2_is_first():
    algorithms = [hasher.algorithm for hasher in get_hashers()]
    assert algorithms[0] == "argon2"
    assert max(Counter(algorithms).values()) == 1
    assert set(algorithms) >= {"bcrypt_sha256", "bcrypt", "pbkdf2_sha256"}


@pytest.mark.parametrize("password", ["short", LONG], ids=["short", "over 72 bytes"])
@pytest.mark.parametrize("prefix", [b"2b", b"2a"])
def test_imported_bcrypt_hashes_verify_as_they_were_made(password, prefix):
    salt = bcrypt.gensalt(4, prefix=prefix)
    encoded = "bcrypt$" + bcrypt.hashpw(password.encode()[:72], salt).decode()
    assert check_password(password, encoded)
    assert not check_password("another", encoded)


def test_long_passwords_are_cut_for_bcrypt_alone():
    longer = LONG + "!"
    old = "bcrypt$" + bcrypt.hashpw(LONG.encode()[:72], bcrypt.gensalt(4)).decode()
    assert check_password(longer, old)
    assert not check_password(longer, make_password(LONG))
    assert not check_password(longer, make_password(LONG, hasher="bcrypt_sha256"))
