"""Settings of the User Service: users, passwords, and the admin."""

from django.core.exceptions import ImproperlyConfigured

from shared.http.origins import origin_of
from shared.limits.defaults import DEFAULTS
from shared.settings import *

INSTALLED_APPS = [
    "django.contrib.postgres",  # indexes of expressions with an operator class
    "users",  # before the others: its commands replace Django's of the same name
    *INSTALLED_APPS,
    "django.contrib.admin",
    "django.contrib.sessions",
    "django.contrib.messages",
    "procrastinate.contrib.django",
]

MIDDLEWARE += [
    "users.middleware.SessionMiddleware",
    "users.middleware.CsrfViewMiddleware",
    "users.middleware.AuthenticationMiddleware",
    "users.middleware.MessageMiddleware",
    "users.middleware.AdminResponseMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

SPECTACULAR_SETTINGS |= {
    "DESCRIPTION": "Registration, the caller's own account, and data about users for "
    "other services.",
    "ENUM_NAME_OVERRIDES": {
        **SPECTACULAR_SETTINGS["ENUM_NAME_OVERRIDES"],
        "FactorType": "users.factors.models.Type",
    },
}

# --- Users --------------------------------------------------------------------------

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["users.backends.EmailBackend"]
SILENCED_SYSTEM_CHECKS += [
    "auth.W004",  # `email` is unique by its canonical column, see users.models
]

# Names of this service, which make weak passwords. Documented, as ASVS 5.0 6.1.2 asks.
PRODUCT_NAMES = ("memo", "memoproduct", "memoservice")
RESERVED = """abuse admin administrator anonymous api auth help helpdesk hostmaster info
me moderator no-reply null official operator owner postmaster root security staff
superuser support sysadmin system undefined user users webmaster"""
RESERVED_USERNAMES = env.list(
    "RESERVED_USERNAMES", default=[*RESERVED.split(), *PRODUCT_NAMES]
)

# --- Mail and links -----------------------------------------------------------------

LANGUAGES = [("en", "English"), ("de", "Deutsch")]

MAIL_SERVER = env.mail_server("MAIL_URL")
MAIL_BACKEND = env.str("MAIL_BACKEND", default="")
# Whether there is mail at all. Without a server, development writes files.
MAIL_ENABLED = bool(MAIL_SERVER or MAIL_BACKEND) or ENVIRONMENT == "development"
if MAIL_SERVER or MAIL_BACKEND:
    DEFAULT_FROM_EMAIL = env.sender("MAIL_FROM")
else:
    DEFAULT_FROM_EMAIL = env.sender("MAIL_FROM", default="Memo <memo@localhost>")
MAIL_REPLY_TO = env.sender("MAIL_REPLY_TO", default="")
EMAIL_HOST_PASSWORD = env.str("MAIL_PASSWORD", default="")
if MAIL_SERVER:
    EMAIL_BACKEND = MAIL_BACKEND or "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, tls = MAIL_SERVER
    EMAIL_USE_TLS, EMAIL_USE_SSL = tls == "starttls", tls == "tls"
    if EMAIL_HOST_USER and not EMAIL_HOST_PASSWORD:
        env.missing.append("MAIL_PASSWORD")
else:
    EMAIL_BACKEND = MAIL_BACKEND or "django.core.mail.backends.filebased.EmailBackend"
EMAIL_TIMEOUT = 10  # seconds, for each answer until the login; then ANSWER_TIMEOUT
EMAIL_FILE_PATH = BASE_DIR / env.str("MAIL_FOLDER", default="../.run/mail")
SSL_CERT_FILE = env.certificates("SSL_CERT_FILE")  # OpenSSL reads the variable itself
# When an account is created: at once, or once its address is verified.
VERIFICATION = "optional" if ENVIRONMENT == "development" else "required"
EMAIL_VERIFICATION = env.choice(
    "EMAIL_VERIFICATION",
    ["off", "optional", "required"],
    default=VERIFICATION if MAIL_SERVER or MAIL_BACKEND else "off",
)
if EMAIL_VERIFICATION != "off" and not MAIL_ENABLED:
    raise ImproperlyConfigured("EMAIL_VERIFICATION needs MAIL_URL.")

# Older values of SECRET_KEY, so that links made with them still work. Django's setting
# of that name stays empty: it would verify cookies and sessions, too.
LINK_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
# The pages that links lead to: ours, or those of a front end, which then needs all.
ACCOUNT_PAGES = env.switch("ACCOUNT_PAGES", default=True)
PAGE = f"{PUBLIC_URL}/account/{{}}?token={{{{token}}}}" if ACCOUNT_PAGES else ""
ACCOUNT_URLS = {
    "verify": env.link("ACCOUNT_URL_VERIFY", PAGE.format("verify")),
    "reset": env.link("ACCOUNT_URL_RESET", PAGE.format("reset")),
    "email": env.link("ACCOUNT_URL_EMAIL", PAGE.format("email")),
    "email_undo": env.link("ACCOUNT_URL_EMAIL_UNDO", PAGE.format("email/undo")),
    "restore": env.link("ACCOUNT_URL_RESTORE", PAGE.format("restore")),
    "enrol": env.link("ACCOUNT_URL_ENROL", PAGE.format("factors/enrol")),
    "keep_factors": env.link("ACCOUNT_URL_KEEP_FACTORS", PAGE.format("factors/keep")),
}

# The file with the ids of erased users, for restored databases. So not in the database.
ERASURES_FILE = BASE_DIR / env.str(
    "ERASURES_FILE", default="/var/lib/memo/erasures/users.log"
)

# --- Jobs ---------------------------------------------------------------------------

PROCRASTINATE_ON_APP_READY = "users.jobs.configure"
# `manage.py procrastinate worker`
PROCRASTINATE_WORKER_DEFAULTS = {
    "name": "users-worker",
    # Threads: most jobs wait for another server. The connection pool has one for each.
    "concurrency": min(4, WEB_THREADS),
    "delete_jobs": "successful",
    # Less than supervisor and compose wait after SIGTERM.
    "shutdown_graceful_timeout": 25,
}
OPTIONAL_PARTS += ["users.jobs.queue_works"]
MINUTE_GAUGES += ["users.metrics.look"]
LOGGING["loggers"]["procrastinate"] = {"level": "WARNING"}  # a line for every step

# --- Passwords ----------------------------------------------------------------------

# Argon2id; the floor is OWASP's minimum. One class for each algorithm: Django finds it
# by that name. All but the first verify imported hashes, which a login replaces.
PASSWORD_HASHERS = [
    "users.passwords.hashers.Argon2Hasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "users.passwords.hashers.TruncatingBCryptHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
ARGON2_MEMORY_COST = env.number("ARGON2_MEMORY_COST", default=19456)  # KiB
ARGON2_TIME_COST = env.number("ARGON2_TIME_COST", default=2)
ARGON2_PARALLELISM = env.number("ARGON2_PARALLELISM", default=1)

PASSWORD_MIN_LENGTH = env.number("PASSWORD_MIN_LENGTH", default=8)
PASSWORD_MIN_SCORE = env.number("PASSWORD_MIN_SCORE", default=2, most=4)
NAMES = ("username", "email", "first_name", "last_name", "display_name")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "users.passwords.LengthValidator"},
    {"NAME": "users.passwords.CommonPasswordValidator"},
    {"NAME": "users.passwords.ContextValidator"},
    {
        "NAME": "django.contrib.auth.password_validation."
        "UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": NAMES},
    },
    {"NAME": "users.passwords.ScoreValidator"},
]

# --- Second factors -----------------------------------------------------------------

# `required`: every user needs a factor. `off`: none. `optional`: users may add one, and
# users with one of the roles must.
SECOND_FACTOR = env.choice(
    "SECOND_FACTOR", ["optional", "required", "off"], default="optional"
)
SECOND_FACTOR_ROLES = env.list("SECOND_FACTOR_ROLES", default=[])
ADMIN_SECOND_FACTOR = env.choice(
    "ADMIN_SECOND_FACTOR",
    ["optional", "required", "off"],
    default="optional" if ENVIRONMENT == "development" else "required",
)
# The exact origins that may register and use passkeys, at the host of PUBLIC_URL or its
# subdomains.
WEBAUTHN_ORIGINS = env.list("WEBAUTHN_ORIGINS", default=[origin_of(PUBLIC_URL)])
# The keys of TOTP secrets (`users.factors.secrets`). Not in the database.
FACTOR_KEYS_DIR = env.folder("FACTOR_KEYS_DIR")
# Seconds from an operator's request, mailed to the user, until all factors are removed.
# The mail has to arrive before, and is kept for thirty days.
FACTOR_RESET_DELAY = env.number(
    "FACTOR_RESET_DELAY", default=24 * 3600, least=3600, most=28 * 24 * 3600
)

# --- Limits on guessing -------------------------------------------------------------

# By name; docs/rate-limiting.md explains them.
LIMITS = {name: env.rate_limits(name, text) for name, text in DEFAULTS.items()}

# --- The admin ----------------------------------------------------------------------

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"  # if `next` leads to another site
SESSION_COOKIE_NAME = "memo_admin_session"
SESSION_COOKIE_AGE = 8 * 3600
CSRF_COOKIE_NAME = "memo_admin_csrf"
CSRF_FAILURE_VIEW = "users.errors.csrf_failure"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin/"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = COOKIE_SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Django's cookie storage would set a cookie of its own, for every path.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- The Auth Service ---------------------------------------------------------------

AUTH_SERVICE_URL = env.str("AUTH_SERVICE_URL")
AUTH_SERVICE_API_KEY = env.str("AUTH_SERVICE_API_KEY")
EXPECTED_CALLERS = ["auth"]  # without their key production does not start
