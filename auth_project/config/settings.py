"""Settings of the Auth Service: sessions and tokens."""

from shared.settings import *

# `tokens` comes first: its commands replace Django's of the same name.
INSTALLED_APPS = ["tokens", *INSTALLED_APPS]

SPECTACULAR_SETTINGS |= {
    "DESCRIPTION": "Login, refresh, verification and logout. "
    "The refresh token is in an HttpOnly cookie. Keep the access token in memory only.",
    # Named here since no authentication class of DRF's reads the cookie.
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "refreshCookie": {
                "type": "apiKey",
                "in": "cookie",
                "name": "__Secure-refresh_token" if COOKIE_SECURE else "refresh_token",
            }
        }
    },
}

MINUTE_GAUGES += ["tokens.metrics.look"]

# Checks sessions in its own database, without an HTTP call to itself.
REST_FRAMEWORK |= {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tokens.authentication.SessionAuthentication"]
}

# --- Tokens -------------------------------------------------------------------------

# This service makes the keys. It never fetches them from a URL, which would be its own.
JWT_JWKS_URL = ""
JWT_PUBLIC_KEYS_DIR = env.folder("JWT_PUBLIC_KEYS_DIR")
JWT_PRIVATE_KEYS_DIR = env.folder("JWT_PRIVATE_KEYS_DIR")

# Seconds for which others may keep the published key set; a new key waits that long
# before it signs.
JWKS_MAX_AGE = env.number("JWKS_MAX_AGE", default=300, most=24 * 3600)

# Seconds. A session ends REFRESH_TOKEN_LIFETIME after its last refresh, and
# SESSION_ABSOLUTE_LIFETIME after its login, whichever comes first.
REFRESH_TOKEN_LIFETIME = env.number(
    "REFRESH_TOKEN_LIFETIME", default=30 * 24 * 3600, least=1
)
SESSION_ABSOLUTE_LIFETIME = env.number(
    "SESSION_ABSOLUTE_LIFETIME", default=30 * 24 * 3600, least=1
)

# Seconds in which the direct predecessor of a refresh token is still answered with its
# successor, so that tabs and retries converge. 0: every second use is a reuse.
REFRESH_REUSE_LEEWAY = env.number("REFRESH_REUSE_LEEWAY", default=10)

# Live sessions of one user. A login beyond the cap ends the least recently used.
# 0: no cap.
MAX_SESSIONS_PER_USER = env.number("MAX_SESSIONS_PER_USER", default=10)

# Personal data in the access token; the list may be shortened (ASVS 14.1.1).
ACCESS_TOKEN_CLAIMS = env.choices(
    "ACCESS_TOKEN_CLAIMS", default=["email", "email_verified", "username", "roles"]
)

# Only simplejwt's token classes are used: claims, keys, `kid`, lifetimes and
# verification are ours (tokens.jwt_tokens). Its default key would be SECRET_KEY.
SIMPLE_JWT = {"ALGORITHM": "RS256", "SIGNING_KEY": None}

# --- The User Service ---------------------------------------------------------------

USERS_SERVICE_URL = env.str("USERS_SERVICE_URL")
USERS_SERVICE_API_KEY = env.str("USERS_SERVICE_API_KEY")
EXPECTED_CALLERS = ["users"]  # without their key production does not start
