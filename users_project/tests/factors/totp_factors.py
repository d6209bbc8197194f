"""TOTP factors of tests, and the codes of their apps."""

import time

from django.utils import timezone
from pyotp import TOTP

from users.factors import secrets, totp
from users.factors.models import Factor, Type

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def add_totp(user, *, confirmed=True, secret=SECRET):
    """A TOTP of this user that has not been used."""
    factor = Factor(user=user, type=Type.TOTP, name="phone", last_step=0)
    factor.secret = secrets.encrypt(secret, user.pk, factor.pk)
    factor.confirmed_at = timezone.now() if confirmed else None
    factor.save()
    return factor


def code(steps=0, secret=SECRET):
    """The code of now, or of so many steps later."""
    return TOTP(secret).generate_otp(int(time.time()) // totp.PERIOD + steps)


def start_of_step():
    """Wait, if need be, until a second is left of the time step: what follows takes
    place in one step."""
    left = totp.PERIOD - time.time() % totp.PERIOD
    if left < 1:
        time.sleep(left)
