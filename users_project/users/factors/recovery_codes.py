"""Recovery codes. A user has ten, and each replaces a factor once."""

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
    """Create ten codes, in groups of four characters, and void all others. Only digests
    are stored: 80 random bits need no salt and no slow hash."""
    codes = ["".join(map(secrets.choice, [ALPHABET] * LENGTH)) for _ in range(COUNT)]
    void(user_id)
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user_id=user_id, digest=digest(user_id, code)) for code in codes
    )
    return ["-".join(code[i : i + 4] for i in range(0, LENGTH, 4)) for code in codes]


def void(user_id: UUID) -> None:
    RecoveryCode.objects.filter(user=user_id).delete()


def use(user_id: UUID, code: str) -> bool:
    """Whether this is an unused code of the user. It is used up then: of any number of
    calls at once, one succeeds."""
    rows = RecoveryCode.objects.filter(user=user_id, digest=digest(user_id, code))
    return bool(rows.filter(used_at=None).update(used_at=timezone.now()))


def is_used(user_id: UUID, code: str) -> bool:
    """Whether this is a used code of the user."""
    used = RecoveryCode.objects.filter(user=user_id, used_at__isnull=False)
    return used.filter(digest=digest(user_id, code)).exists()


def left(user_id: UUID) -> int:
    return RecoveryCode.objects.filter(user=user_id, used_at=None).count()


def digest(user_id: UUID, code: str) -> bytes:
    """The digest of a code as typed: in any case, grouped or not, or MISREAD."""
    canonical = code.upper().translate(MISREAD)
    return sha256(user_id.bytes + canonical.encode()).digest()
