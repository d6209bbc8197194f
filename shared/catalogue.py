"""What is found wrong with a service before it starts: by id, with what to do about it.

An E is an error; `docs/checks.md` shows this table. Ids from E010 on are what OPS-01
forbids in production alone (`shared.production`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    what: str
    hint: str


RANDOM = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"

CATALOGUE = {
    "memo.E001": Entry(
        "An internal API key has less than 256 bits", f"256 random bits: {RANDOM}"
    ),
    "memo.E002": Entry(
        "INTERNAL_API_KEYS accepts the key this service itself presents",
        "Each direction has a key of its own.",
    ),
    "memo.E003": Entry(
        "A JWT key is missing, unreadable, readable by others, of a wrong size, "
        "misnamed, or without its public half",
        "python -m shared.keys.signing_keys check FOLDER",
    ),
    "memo.W004": Entry(
        "An RSA key has less than 3072 bits",
        "Rotate to a larger one: docs/keys.md.",
    ),
    "memo.E005": Entry(
        "The name that every token is checked for is empty",
        "JWT_ISSUER: the gateway's public URL. JWT_AUDIENCE=memo",
    ),
    "memo.E006": Entry(
        "A host of ALLOWED_HOSTS or INTERNAL_HOSTS has an underscore",
        "RFC 1123 has none; Django answers 400. Rename it.",
    ),
    "memo.E007": Entry(
        "An installed package has known vulnerabilities",
        "Install requirements/runtime.txt again.",
    ),
    "memo.W008": Entry(
        "The .env file has a name that nothing reads, and that is nearly a known one",
        "Correct it; or, where it is meant for something else, keep it there.",
    ),
    "memo.E010": Entry("DEBUG is on", "DEBUG=false"),
    "memo.E011": Entry(
        "SECRET_KEY is missing, shorter than 50 characters, an example, or of too few "
        "different characters",
        RANDOM,
    ),
    "memo.E012": Entry(
        "ALLOWED_HOSTS is empty or allows any host",
        "The host names of the gateway's public URL.",
    ),
    "memo.E013": Entry(
        "An internal API key is missing, an example, or of too few different "
        "characters",
        f"{RANDOM}; docs/apikeys.md",
    ),
    "memo.E014": Entry(
        "SIMPLE_JWT has another ALGORITHM than RS256, or a SIGNING_KEY",
        "Take the line out of the settings: keys are shared.keys.signing_keys' alone.",
    ),
    "memo.E015": Entry(
        "JWT_ISSUER is no https address",
        "The gateway's public URL, without query or fragment (RFC 8414 section 2).",
    ),
    "memo.E016": Entry(
        "ACCESS_TOKEN_LIFETIME is over an hour", "ACCESS_TOKEN_LIFETIME=300"
    ),
    "memo.E017": Entry("JWT_LEEWAY is over a minute", "JWT_LEEWAY=10; keep time."),
    "memo.E018": Entry(
        "COOKIE_SECURE is off, or a cookie of the admin is not secure",
        "COOKIE_SECURE=true, and TLS at the gateway or in front of it.",
    ),
    "memo.E019": Entry(
        "CORS_ALLOWED_ORIGINS allows any origin", "List each origin: https://app.x.org"
    ),
    "memo.E020": Entry(
        "PASSWORD_HASHERS has a fast hash, or does not begin with Argon2 where people "
        "are stored",
        "Only the test settings of a service may have a fast one.",
    ),
    "memo.E021": Entry(
        "IGNORE_EXCEPTIONS is on for Redis",
        "Off: 'not revoked' and 'no idea' must not look alike.",
    ),
    "memo.E022": Entry(
        "A database password is empty, a usual one, or the name of its user",
        f"{RANDOM}; then ALTER ROLE ... PASSWORD.",
    ),
    "memo.E023": Entry(
        "FORWARDED_ALLOW_IPS trusts every address",
        "The gateway's address or network: whoever is trusted may rewrite the path.",
    ),
    "memo.E024": Entry(
        "REST_FRAMEWORK renders browsable pages",
        'DEFAULT_RENDERER_CLASSES: ["rest_framework.renderers.JSONRenderer"]',
    ),
    "memo.E025": Entry(
        "A rate limit is off", "A number of tries and seconds, such as 10/60."
    ),
}
