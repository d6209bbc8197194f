"""The rules for names and addresses. The OpenAPI schema contains the patterns."""

import re
import unicodedata
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

# Has no @, so it is no e-mail address. Letters of one script, so no look-alikes.
USERNAME = r"^[A-Za-z0-9._-]{3,50}\Z"

# The dot-atom form of RFC 5321 section 4.1.2, local part up to 64 octets (4.5.3.1.1);
# international domains as punycode. No encoded word (RFC 2047): Python would decode it
# when it sends the mail, which would go to another address.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = (
    rf"^(?!.*=\?)(?=.{{1,64}}@){ATOM}(\.{ATOM})*"
    rf"@({LABEL}\.)+[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])\Z"
)

# Controls, formats (bidirectional, zero-width), surrogates, private use, unassigned,
# line and paragraph separators. In a mail header, a terminal or a list they
# make a name look like another.
REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Characters of other categories that are invisible, too.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Variation selectors, which change how the character before them is shown.
SELECTOR = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
NON_JOINER, JOINER = "\u200c", "\u200d"
VIRAMA = 9  # its canonical combining class

# Host, perhaps a port, and the characters of RFC 3986. No password in it.
WEB_ADDRESS = (
    r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?"
    r"([/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?\Z"
)

validate_username = RegexValidator(
    USERNAME, _("3 to 50 letters, digits, dots, hyphens and underscores."), "invalid"
)
validate_email = RegexValidator(
    EMAIL, _("Enter an e-mail address in ASCII."), "invalid"
)
validate_web_address = RegexValidator(
    WEB_ADDRESS, "Enter an address that begins with https:// or http://.", "invalid"
)
# A C library might end the string at a null character.
validate_no_null = RegexValidator(
    r"^[^\x00]*\Z", "Null characters are not allowed.", "null_characters_not_allowed"
)


def normalize_identifier(text: str) -> str:
    """`text` without surrounding space and without case: the form in which a name is
    unique, looked up and counted.

    Computed by Python and not the database, whose `lower()` depends on a collation.
    """
    return text.strip().casefold()


def letters(text: str) -> str:
    """The letters of `text`, in lower case, without digits and signs."""
    return re.sub(r"[\W\d_]", "", text.casefold())


def as_id(text: str) -> UUID | None:
    """The id in `text`, with or without hyphens, or None. `UUID` itself accepts more,
    such as a leading `0x` or underscores."""
    digits = normalize_identifier(text).replace("-", "")
    return UUID(digits) if re.fullmatch("[0-9a-f]{32}", digits) else None


def validate_not_an_id(username: str) -> None:
    """Refuse a name by which a command could find another user."""
    if as_id(re.sub("[._]", "", username)):
        raise ValidationError(_("A username must not look like an id."), code="invalid")


def validate_not_reserved(username: str) -> None:
    """Refuse RESERVED_USERNAMES, also with digits and separators. Only operators may
    assign them (`createsuperuser`, the admin)."""
    reserved = {normalize_identifier(word) for word in settings.RESERVED_USERNAMES}
    reserved |= {letters(word) for word in reserved}
    name = normalize_identifier(username)
    words = set(re.split(r"[\W\d_]+", name)) - {""}
    if ({name, letters(name)} - {""}) & reserved or (words and words <= reserved):
        raise ValidationError(_("This username is reserved."), code="reserved")


NEW_USERNAME = (validate_username, validate_not_an_id, validate_not_reserved)


def validate_name(name: str) -> None:
    """The rule for names that are displayed: those of persons and of roles."""
    for position, character in enumerate(name):
        unseen = unicodedata.category(character) in REFUSED_CATEGORIES
        hidden = character in INVISIBLE or is_stray(name, position)
        if (unseen or hidden) and not is_joining(name, position):
            message = "Control and invisible characters are not allowed."
            raise ValidationError(message, code="invalid")


def is_stray(name: str, position: int) -> bool:
    """Whether a variation selector is there, and has nothing to select from: at the
    start, after a space or another selector, and after a letter that has a case."""
    if not SELECTOR.match(name[position]):
        return False
    before = name[:position][-1:]
    has_case = before.isalpha() and before.lower() != before.upper()
    return has_case or not before.strip() or bool(SELECTOR.match(before))


def is_joining(name: str, position: int) -> bool:
    """Whether a script needs the joiner or non-joiner there: after a virama, in Sinhala
    and others, and the non-joiner between Arabic letters, as in Persian (RFC 5892,
    appendix A). Elsewhere it is invisible."""
    before, after = name[:position][-1:], name[position + 1 :][:1]
    if name[position] not in (NON_JOINER, JOINER) or not before or not after:
        return False
    if unicodedata.combining(before) == VIRAMA:
        return True
    scripts = {unicodedata.bidirectional(each) for each in (before, after)}
    return name[position] == NON_JOINER and scripts == {"AL"}
