"""What names and addresses may look like. The patterns are published in the schema."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

# Never an e-mail address: that has an @. Letters of one script: no look-alikes.
USERNAME = r"^[A-Za-z0-9._-]{3,50}\Z"

# The dot-atom form of RFC 5321 section 4.1.2, local part up to 64 octets (4.5.3.1.1);
# international domains as punycode.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = (
    rf"^(?=.{{1,64}}@){ATOM}(\.{ATOM})*"
    rf"@({LABEL}\.)+[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])\Z"
)

# Control characters in a name end up in mail headers and terminals.
PERSONAL_NAME = r"^[^\x00-\x1f\x7f]+\Z"

# Host, perhaps a port, and the characters of RFC 3986. No password in it.
WEB_ADDRESS = (
    r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?"
    r"([/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?\Z"
)

# What a stranger may not call themselves; operators may (`createsuperuser`).
RESERVED = re.compile(
    "abuse|admin|administrator|anonymous|api|auth|help|hostmaster|info|me|memo|"
    "no-reply|noreply|null|postmaster|root|security|staff|superuser|support|sysadmin|"
    "system|undefined|user|users|webmaster"
)

validate_username = RegexValidator(
    USERNAME, "3 to 50 letters, digits, dots, hyphens and underscores.", "invalid"
)
validate_email = RegexValidator(EMAIL, "Enter an e-mail address in ASCII.", "invalid")
validate_personal_name = RegexValidator(
    PERSONAL_NAME, "Control characters are not allowed.", "invalid"
)
validate_web_address = RegexValidator(
    WEB_ADDRESS, "Enter an address that begins with https:// or http://.", "invalid"
)
# Where a C library might end the string.
validate_no_null = RegexValidator(
    r"^[^\x00]*\Z", "Null characters are not allowed.", "null_characters_not_allowed"
)


def normalize_identifier(text: str) -> str:
    """`text` without surrounding space and without case: the form in which a name is
    unique, looked up and counted.

    Python's, not a database's: what `lower()` does there depends on a collation.
    """
    return text.strip().casefold()


def validate_not_reserved(username: str) -> None:
    if RESERVED.fullmatch(normalize_identifier(username)):
        raise ValidationError("This username is reserved.", code="reserved")
