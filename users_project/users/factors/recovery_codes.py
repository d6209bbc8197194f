"""Recovery codes: ten, each of which stands in for a factor once."""

import secrets
from hashlib import sha256
from uuid import UUID

from django.utils import timezone

from users.factors.models import RecoveryCode

COUNT = 10
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32
LENGTH = 16  # of five bits each
MISREAD = str.maketrans("OIL", "011", "- ")


def replace(user_id: UUID) -> list[str]:
    """Ten new codes, in groups of four characters. All others are void. They are stored
    as digests: 80 random bits need no salt and no slow hash."""
    codes = ["".join(map(secrets.choice, [ALPHABET] * LENGTH)) for _ in range(COUNT)]
    void(user_id)
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user_id=user_id, digest=digest(user_id, code)) for code in codes
    )
    return ["-".join(code[i : i + 4] for i in range(0, LENGTH, 4)) for code in codes]


def void(user_id: UUID) -> None:
    RecoveryCode.objects.filter(user=user_id).delete()


def use(user_id: UUID, code: str) -> bool:
    """Whether it is an unused code of the user, which then is used. Of any number at
    once one is taken."""
    rows = RecoveryCode.objects.filter(user=user_id, digest=digest(user_id, code))
    return bool(rows.filter(used_at=None).update(used_at=timezone.now()))


def is_used(user_id: UUID, code: str) -> bool:
    """Whether it is a code of the user that was used."""
    used = RecoveryCode.objects.filter(user=user_id, used_at__isnull=False)
    return used.filter(digest=digest(user_id, code)).exists()


def left(user_id: UUID) -> int:
    return RecoveryCode.objects.filter(user=user_id, used_at=None).count()


def digest(user_id: UUID, code: str) -> bytes:
    """Of the code as it may be typed: in any case, grouped or not."""
    canonical = code.upper().translate(MISREAD)
    return sha256(user_id.bytes + canonical.encode()).digest()
