"""For every documented setting a value that weakens something, and the rule that
refuses it in production; or the reason why there is no rule.

A new setting needs a decision here: `test_weak_settings` compares the names with the
documentation.
"""

from shared.limits.defaults import DEFAULTS
from shared.tests.production_settings import RANDOM

TEN_YEARS = "315360000"  # seconds

RULES = {
    "DEBUG": ("true", "E010"),
    "SECRET_KEY": ("change-me", "E011"),
    "SECRET_KEY_FALLBACKS": (f"{RANDOM}-y,changeme", "E011"),
    "ALLOWED_HOSTS": ("*", "E012"),
    "INTERNAL_HOSTS": ("*", "E012"),
    "COOKIE_SECURE": ("false", "E018"),
    "CORS_ALLOWED_ORIGINS": ("https://a.example,null", "E019"),
    "CSRF_TRUSTED_ORIGINS": ("http://a.example", "E019"),
    "WEBAUTHN_ORIGINS": ("http://app.memo.example", "E019"),
    "FORWARDED_ALLOW_IPS": ("0.0.0.0/1,128.0.0.0/1", "E023"),
    "DATABASE_URL": ("postgres://a@db.example:5432/a", "E027"),
    "DATABASE_PASSWORD": ("postgres", "E022"),
    "MIGRATION_DATABASE_URL": ("postgres://a@db.example/a?sslmode=prefer", "E027"),
    "MIGRATION_DATABASE_PASSWORD": ("", "E022"),
    "REDIS_URL": ("redis://a@redis.example:6379", "E027"),
    "REDIS_PASSWORD": ("", "E022"),
    "JWT_ISSUER": ("http://memo.example", "E015"),
    "JWT_AUDIENCE": ("", "E005"),
    "JWT_LEEWAY": ("86400", "E017"),
    "JWT_JWKS_URL": ("http://memo.example/.well-known/jwks.json", "E026"),
    "ACCESS_TOKEN_LIFETIME": (TEN_YEARS, "E016"),
    "REFRESH_TOKEN_LIFETIME": (TEN_YEARS, "E028"),
    "SESSION_ABSOLUTE_LIFETIME": (TEN_YEARS, "E028"),
    "REFRESH_REUSE_LEEWAY": ("86400", "E017"),
    "INTERNAL_API_KEYS": (f"auth={RANDOM[:20]},users={RANDOM[:20]}", "E001"),
    "AUTH_SERVICE_URL": ("http://auth.example", "E026"),
    "AUTH_SERVICE_API_KEY": ("k" * 50, "E013"),
    "USERS_SERVICE_URL": ("http://users.example", "E026"),
    "USERS_SERVICE_API_KEY": ("k" * 50, "E013"),
    "PASSWORD_MIN_SCORE": ("0", "E030"),
    **dict.fromkeys(DEFAULTS, ("999999999/1second", "E029")),
    "MAIL_URL": ("smtp://mail.internal:25?tls=none", "E031"),
    "PUBLIC_URL": ("http://memo.example:80", "E032"),
    **{
        f"ACCOUNT_URL_{page}": ("http://memo.example/?token={token}", "E032")
        for page in (
            *("VERIFY", "RESET", "EMAIL", "EMAIL_UNDO", "RESTORE"),
            *("ENROL", "KEEP_FACTORS"),
        )
    },
}
# Values that the gateway's renderer refuses in every environment.
GATEWAY = {
    "GATEWAY_WORKERS": "999999999",
    "GATEWAY_SERVER_NAMES": "*",
    "GATEWAY_TRUSTED_PROXIES": "0.0.0.0/1,128.0.0.0/1",
    "GATEWAY_ADMIN_NETWORKS": "2000::/3",
    "GATEWAY_ERROR_LOG_LEVEL": "debug",
    **{
        f"GATEWAY_{name}_RATE": "999999999r/s"
        for name in ("LOGIN", "REGISTER", "REFRESH", "API")
    },
    **{
        f"GATEWAY_{name}": "999999999"
        for name in ("LOGIN_BURST", "REGISTER_BURST", "REFRESH_BURST", "API_BURST")
    },
    "GATEWAY_CONNECTION_LIMIT": "999999999",
}
ALWAYS_REFUSED = "less is refused in every environment, by the User Service"
FOLDER = "its files are checked: memo.E003"
FREE = {
    "ENVIRONMENT": "the switch between the two; any third value is refused",
    "LOG_LEVEL": "audit events are written at every level",
    "LOG_FILE": "another place for the log",
    "AUDIT_LOG": "one more copy",
    "DOCS_ENABLED": "the document is public",
    "STATIC_ROOT": "files of the admin and of Swagger UI",
    "BIND": "containers listen on all their addresses",
    "DATABASE_POOLER": "what a statement may do does not depend on it",
    "WEB_CONCURRENCY": "bounds are in the settings",
    "WEB_THREADS": "bounds are in the settings",
    "JWT_PUBLIC_KEYS_DIR": FOLDER,
    "JWT_PRIVATE_KEYS_DIR": FOLDER,
    "JWKS_MAX_AGE": "a day at most, in the settings",
    "ACCESS_TOKEN_CLAIMS": "the list can only be shortened",
    "MAX_SESSIONS_PER_USER": "ASVS 5.0 7.1.2 asks for a documented number, or for none",
    "RESERVED_USERNAMES": "no right depends on a name",
    "MAIL_PASSWORD": "the mail server decides",
    "MAIL_FROM": "an address; the mail server decides",
    "MAIL_REPLY_TO": "an address",
    "MAIL_BACKEND": "a class of the operator's",
    "MAIL_FOLDER": "written to in development alone",
    "ERASURES_FILE": "without it no account is erased, and each attempt is an error",
    "REQUESTS_CA_BUNDLE": "the operator's certificates; each is verified",
    "SSL_CERT_FILE": "the operator's certificates; each is verified",
    "EMAIL_VERIFICATION": "each mode is safe, and an unknown one stops the start",
    "ACCOUNT_PAGES": "without them all ACCOUNT_URL_* are needed, and checked",
    "SECOND_FACTOR": "each mode is safe, and an unknown one stops the start",
    "SECOND_FACTOR_ROLES": "a list that asks for more than the mode",
    "ADMIN_SECOND_FACTOR": "required by default; an operator may decide otherwise",
    "FACTOR_KEYS_DIR": "doctor looks at its files",
    "FACTOR_RESET_DELAY": "the user gets a mail at least an hour before",
    "PASSWORD_MIN_LENGTH": ALWAYS_REFUSED,
    "ARGON2_MEMORY_COST": ALWAYS_REFUSED,
    "ARGON2_TIME_COST": ALWAYS_REFUSED,
    "ARGON2_PARALLELISM": ALWAYS_REFUSED,
    "GATEWAY_PORT": "any port is as good",
    "GATEWAY_BIND": "a public gateway listens on a public address",
    "GATEWAY_UPSTREAM_AUTH": "the operator's instances",
    "GATEWAY_UPSTREAM_USERS": "the operator's instances",
    "GATEWAY_RESOLVER": "the operator's DNS server",
    "GATEWAY_TLS_CERTIFICATE": "TLS may end at a proxy before; doctor looks from there",
    "GATEWAY_TLS_CERTIFICATE_KEY": "as the certificate",
}
