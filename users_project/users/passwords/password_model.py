"""A model with a password, which a bounded pool of threads hashes (PWD-07)."""

from typing import Any

from django.contrib.auth.hashers import make_password, verify_password
from django.contrib.auth.models import AbstractBaseUser
from django.utils.crypto import salted_hmac

from users.db.dirty_fields import DirtyFieldsModel
from users.passwords import hashing_pool


def verify(password: str | None, encoded: str, upgrade: bool) -> tuple[bool, str]:
    """Whether `password` is that of the hash `encoded`; and a new hash with the current
    costs if `encoded` is outdated and `upgrade` is set, else an empty string."""
    try:
        right, is_outdated = verify_password(password, encoded)
    except (AssertionError, OverflowError, ValueError):  # imported, and malformed
        make_password(password)  # takes as long as for all others
        return False, ""
    fresh = right and is_outdated and upgrade
    return right, make_password(password) if fresh else ""


class PasswordModel(DirtyFieldsModel, AbstractBaseUser):
    """Django's user with a password. Its manager is a `UserManager`, and it has a
    `session_epoch`."""

    session_epoch: Any

    class Meta:
        abstract = True

    def rows(self) -> Any:
        """The default manager of this model."""
        return type(self)._default_manager

    def set_password(self, raw_password: str | None) -> None:
        """As in Django, but in the bounded pool (PWD-07). Raises Overloaded."""
        hashing_pool.pool().run(super().set_password, raw_password)

    def check_password(self, raw_password: str | None, upgrade: bool = True) -> bool:
        """As in Django, but in the bounded pool (PWD-07). Raises Overloaded."""
        run = hashing_pool.pool().run
        right, fresh = run(verify, raw_password, self.password, upgrade)
        if fresh:
            self.replace_hash(fresh)
        return bool(right)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """The hash that a session of the admin must match. It is one of the epoch, so
        whatever ends the sessions of the API ends those of the admin, and a new hash of
        the same password ends none."""
        return salted_hmac(
            "users.models.User.session_auth_hash",
            str(self.session_epoch),
            secret=secret,
            algorithm="sha256",
        ).hexdigest()

    def replace_hash(self, fresh: str) -> None:
        """Store another hash of the same password, unless that was changed meanwhile
        (PWD-05).

        Django's own upgrade would overwrite the newer password. A new hash ends no
        sessions, and is no change of the profile.
        """
        mine = self.rows().filter(pk=self.pk, password=self.password)
        if mine.update(password=fresh):
            self.password = fresh
            self.remember(["password"])
