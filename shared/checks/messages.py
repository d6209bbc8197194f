"""The messages of the checks."""

from collections.abc import Iterable

from django.core.checks import CheckMessage, Error, Warning

SETTINGS = "settings"  # the tag of checks that read nothing but the settings

RANDOM = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
KEY_LIST = "List the keys: ./manage_all.sh keys list"

# By id: what is wrong, and a hint. An E is an error, a W a warning.
MESSAGES = {
    "E001": ("An internal API key has less than 256 bits", RANDOM),
    "E002": (
        "A service accepts an API key that it also presents",
        "Use another key for each direction.",
    ),
    "E003": ("A JWT key is missing, faulty or readable by others", KEY_LIST),
    "W004": ("An RSA key has less than 3072 bits", "Rotate to a key of 3072 bits."),
    "E005": ("The issuer or audience is empty", "Set it."),
    "E006": ("A host has an underscore", "Rename it: Django answers 400 (RFC 1123)."),
    "E010": ("DEBUG is on", "Set DEBUG=false."),
    "E011": ("A secret key is missing, short, an example or not random", RANDOM),
    "E012": ("ALLOWED_HOSTS is empty or allows any host", "List the gateway's hosts."),
    "E013": ("An internal API key is missing, an example or not random", RANDOM),
    "E014": ("SIMPLE_JWT has another ALGORITHM, or a SIGNING_KEY", "Remove it."),
    "E015": ("JWT_ISSUER is not an https URL", "Set the public URL of the gateway."),
    "E016": ("ACCESS_TOKEN_LIFETIME is over an hour", "Set it to 300 seconds."),
    "E017": ("A leeway is over a minute", "Set 10 seconds. Keep time with NTP."),
    "E018": (
        "A cookie is not secure",
        "Set COOKIE_SECURE=true, and use TLS at the gateway.",
    ),
    "E019": (
        "A setting allows any origin, `null` or one without https",
        "List each https origin.",
    ),
    "E020": (
        "PASSWORD_HASHERS does not begin with Argon2, or has a fast hash",
        "Restore the default.",
    ),
    "E021": ("IGNORE_EXCEPTIONS is on for Redis", "Switch it off."),
    "E022": ("A password of PostgreSQL or Redis is empty, common or a name", RANDOM),
    "E023": ("FORWARDED_ALLOW_IPS is too wide", "Set only the gateway's address."),
    "E024": ("REST_FRAMEWORK renders browsable pages", "Use only JSONRenderer."),
    "E026": ("A URL outside private networks is not https", "Use https."),
    "E027": (
        "A connection to PostgreSQL or Redis is not encrypted",
        "PostgreSQL: add ?sslmode=verify-full to the URL. Redis: use rediss://.",
    ),
    "E028": ("A session may last over 30 days", "Set at most 2592000 seconds."),
    "E029": ("A limit is over its ceiling", "See docs/rate-limiting.md."),
    "E030": ("PASSWORD_MIN_SCORE is under 2", "Set 2 or more."),
    "E031": (
        "Mail leaves this machine unencrypted",
        "Set ?tls=starttls or ?tls=tls in MAIL_URL.",
    ),
    "E032": (
        "A link in mails is not https",
        "Use https in PUBLIC_URL and each ACCOUNT_URL_*.",
    ),
}


def faults(identity: str, at_fault: Iterable[str] | bool) -> list[CheckMessage]:
    """The message of this id, with the names at fault. Empty if there is no fault."""
    names = [] if isinstance(at_fault, bool) else list(at_fault)
    if not (names or at_fault is True):
        return []
    text, hint = MESSAGES[identity]
    kind = Error if identity.startswith("E") else Warning
    message = f"{text}: {', '.join(names)}" if names else text
    return [kind(message, hint=hint, id=f"memo.{identity}")]
