"""What a dump of the database does not tell, and the keys that do."""

import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.accounts.personal_data import everything
from tests.factories import UserFactory
from tests.factors.totp_factors import SECRET, add_totp
from users import diagnostics
from users.factors import recovery_codes, secrets
from users.factors.models import Factor, RecoveryCode


@pytest.fixture
def folder(settings):
    return settings.FACTOR_KEYS_DIR


def write_key(folder, name):
    (folder / f"{name}.key").write_text(os.urandom(32).hex())


def test_a_dump_has_no_secret_and_no_recovery_code(ada):
    add_totp(ada)
    [code, *_] = recovery_codes.replace(ada.pk)
    dump = everything()
    for text in (SECRET, code, code.replace("-", "")):
        assert text not in dump
        assert text.encode().hex() not in dump
    first, second = RecoveryCode.objects.order_by("pk")[:2]
    assert bytes(first.digest) != bytes(second.digest)


def test_a_secret_in_another_row_does_not_decrypt(ada):
    """A factor of one's own is of no use in the row of another user."""
    mine, theirs = add_totp(UserFactory()), add_totp(ada)
    assert secrets.decrypt(theirs) == SECRET
    Factor.objects.filter(pk=theirs.pk).update(secret=mine.secret)
    with pytest.raises(secrets.KeyFault):
        secrets.decrypt(Factor.objects.get(pk=theirs.pk))
    Factor.objects.filter(pk=mine.pk).update(user=ada, confirmed_at=None)
    with pytest.raises(secrets.KeyFault):
        secrets.decrypt(Factor.objects.get(pk=mine.pk))


def test_the_same_secret_is_never_the_same_twice(ada):
    one, other = (secrets.encrypt(SECRET, ada.pk, ada.pk) for _ in range(2))
    assert one != other


def test_the_last_key_encrypts_and_all_decrypt(ada, folder):
    factor = add_totp(ada)
    [first] = folder.iterdir()
    assert first.stat().st_mode & 0o777 == 0o400
    write_key(folder, "3")
    assert secrets.decrypt(factor) == SECRET
    add_totp(UserFactory())
    first.unlink()
    assert diagnostics.lost_factor_secrets() == "1 cannot be decrypted"


def test_a_rotation_encrypts_all_with_a_new_key(ada, folder):
    first = next(folder.iterdir()).rename(folder / "1.key")
    factor, untouched = add_totp(ada), add_totp(UserFactory(), confirmed=False)
    out = StringIO()
    call_command("rotatefactorkeys", "--new", stdout=out)
    first.unlink()
    [new] = folder.iterdir()
    assert f"2 encrypted again. All secrets now use {new.name}." in out.getvalue()
    for each in (factor, untouched):
        assert secrets.decrypt(Factor.objects.get(pk=each.pk)) == SECRET
    out = StringIO()
    call_command("rotatefactorkeys", stdout=out)
    assert "0 encrypted again." in out.getvalue()
    assert diagnostics.lost_factor_secrets() == diagnostics.missing_factor_keys() == ""


def test_secrets_are_read_in_pages(folder, monkeypatch):
    """A statement that reads those of millions of users would never end in time."""
    monkeypatch.setattr(secrets, "PAGE", 2)
    factors = [add_totp(UserFactory()) for _ in range(5)]
    next(folder.iterdir()).rename(folder / "1.key")
    secrets.add_key()
    with CaptureQueriesContext(connection) as queries:
        assert secrets.reencrypt() == len(factors)
    asked = [each["sql"] for each in queries if each["sql"].startswith("SELECT")]
    assert len(asked) == 4
    assert all(sql.endswith("LIMIT 2") for sql in asked)


def test_no_new_key_is_made_that_would_not_encrypt(ada, folder):
    """An operator would remove the one that does."""
    next(folder.iterdir()).rename(folder / "made by hand.key")
    with pytest.raises(CommandError, match="made by hand"):
        call_command("rotatefactorkeys", "--new")
    assert [each.name for each in folder.iterdir()] == ["made by hand.key"]


def test_a_secret_that_no_key_decrypts_keeps_no_other_from_a_new_key(ada, folder):
    lost, factor = add_totp(UserFactory()), add_totp(ada)
    Factor.objects.filter(pk=lost.pk).update(secret=b"x" * 60)
    Factor.objects.filter(pk=factor.pk).update(name="read after the other one")
    next(folder.iterdir()).rename(folder / "1.key")
    with pytest.raises(CommandError, match=str(lost.pk)):
        call_command("rotatefactorkeys", "--new")
    (folder / "1.key").unlink()
    assert secrets.decrypt(Factor.objects.get(pk=factor.pk)) == SECRET


@pytest.mark.parametrize("text", ["", "12" * 31, "x" * 64])
def test_what_is_no_key_is_named_and_not_quoted(ada, folder, text):
    factor = add_totp(ada)
    (folder / "3.key").write_text(text)
    assert diagnostics.missing_factor_keys() == (
        f"{folder / '3.key'} cannot be read or is no key."
    )
    with pytest.raises(secrets.KeyFault):
        secrets.decrypt(factor)
    with pytest.raises(CommandError):
        call_command("rotatefactorkeys")


def test_a_key_is_there_whole_or_not_at_all(ada, folder, monkeypatch):
    """Processes read the folder meanwhile, and the disk may be full."""
    next(folder.iterdir()).rename(folder / "1.key")
    factor, found = add_totp(ada), []

    def read_before_it_is_written(size):
        found.append(secrets.decrypt(factor))
        raise OSError("No space left on device")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "urandom", read_before_it_is_written)
        with pytest.raises(CommandError):
            call_command("rotatefactorkeys", "--new")
    assert found == [secrets.decrypt(factor)] == [SECRET]
    assert [each.name for each in folder.iterdir()] == ["1.key"]


def test_without_any_key_doctor_says_so(folder):
    for path in folder.iterdir():
        path.unlink()
    assert diagnostics.missing_factor_keys() == f"{folder} has no key."


def test_a_secret_that_changes_meanwhile_stays(ada, folder, monkeypatch):
    factor = add_totp(ada)
    next(folder.iterdir()).rename(folder / "1.key")
    write_key(folder, "2")
    encrypt = secrets.encrypt

    def after_another(*args):
        Factor.objects.filter(pk=factor.pk).update(secret=b"newer")
        return encrypt(*args)

    monkeypatch.setattr(secrets, "encrypt", after_another)
    assert secrets.reencrypt() == 0
    assert bytes(Factor.objects.get().secret) == b"newer"
    assert connection.in_atomic_block
