"""The settings every service starts from: `from shared.settings import *`.

All values come from the environment (see README, Configuration). Secrets have no
default; each may be given as NAME or as NAME_FILE.
"""

import sys
from typing import Any
from urllib.parse import urlsplit

from shared import db, structured_logging
from shared.env import Env, project_dir, report

BASE_DIR = project_dir()
env = Env(BASE_DIR, collect=True)

SERVICE_NAME = BASE_DIR.name.removesuffix("_project")

# --- Django -------------------------------------------------------------------------

# `production` refuses unsafe settings (OPS-01): shared.checks.
ENVIRONMENT = env.str("ENVIRONMENT", default="production")
if ENVIRONMENT != "development":
    sys.excepthook = report
DEBUG = env.switch("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")

# CommonMiddleware enforces them. Other services call this one by INTERNAL_HOSTS.
INTERNAL_HOSTS = env.list("INTERNAL_HOSTS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS") + INTERNAL_HOSTS

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # a redirect would lose the body of a POST

INSTALLED_APPS = [
    "shared",  # first: its commands replace Django's of the same name
    # DRF and simplejwt import the user classes of these.
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "shared.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "shared.middleware.TrailingSlashMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"]
        },
    }
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / env.str("STATIC_ROOT", default="../.run/static")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024  # the gateway lets 16 KiB through to the API

# LOG_FILE replaces stderr. AUDIT_LOG receives audit events too. `manage_all.sh` sets
# both: a service that writes its own log file is faster.
LOGGING = structured_logging.configuration(
    SERVICE_NAME,
    env.str("LOG_LEVEL", default="INFO"),
    DEBUG,
    env.str("LOG_FILE", default=""),
    env.str("AUDIT_LOG", default=""),
)

# --- Behind the gateway -------------------------------------------------------------

# The gateway overwrites X-Forwarded-Proto. Only it and services reach this service.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Read by gunicorn.conf.py too: its listening address, and the proxies that it trusts.
BIND = env.str("BIND", default="127.0.0.1:8000")
FORWARDED_ALLOW_IPS = env.str("FORWARDED_ALLOW_IPS", default="127.0.0.1")
COOKIE_SECURE = env.switch("COOKIE_SECURE", default=True)
SILENCED_SYSTEM_CHECKS = [
    "security.W003",  # CSRF: only the admin uses Django's cookies, and has the check
    "security.W004",  # HSTS is the gateway's
    "security.W008",  # so is https; a redirect would break internal calls
]

# Exact origins of the same site, since the refresh cookie is SameSite=Strict.
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
if CORS_ALLOWED_ORIGINS:  # Without any, answers need no `Vary: origin`.
    MIDDLEWARE.insert(3, "corsheaders.middleware.CorsMiddleware")
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
# The gateway's own errors carry the same headers: nginx/gateway.conf.template.
CORS_EXPOSE_HEADERS = ["Location", "Retry-After", "WWW-Authenticate", "X-Request-ID"]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- PostgreSQL and Redis -----------------------------------------------------------

# gunicorn's workers, and the threads of each, which decide the size of its pool.
WEB_CONCURRENCY = env.number("WEB_CONCURRENCY", default=2, least=1, most=1000)
WEB_THREADS = env.number("WEB_THREADS", default=8, least=1, most=1000)

DATABASES = {"default": env.database() | {"ENGINE": "shared.db"}}
# A pooler in front of PostgreSQL that gives each transaction a connection, such as
# PgBouncer with `pool_mode = transaction`.
DATABASE_POOLER = env.choice("DATABASE_POOLER", ["", "transaction"], default="")
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = bool(DATABASE_POOLER)
# The options of the URL, such as `sslmode`, stay. Values are sent apart from the text
# of a statement, in the suites too: PostgreSQL then plans some statements differently.
DATABASE_OPTIONS = DATABASES["default"].setdefault("OPTIONS", {})
DATABASE_OPTIONS["server_side_binding"] = True
if "MIGRATION_DATABASE_URL" not in env.ENVIRON:
    # Migrations run without these time limits, over one connection.
    DATABASE_OPTIONS.update(db.options(WEB_THREADS, is_pooled=bool(DATABASE_POOLER)))
DATABASES["default"]["CONN_MAX_AGE"] = 0  # the pool keeps them
# Never ATOMIC_REQUESTS: a 401 would undo the revocation it reports.
DATABASES["default"]["ATOMIC_REQUESTS"] = False

REDIS = env.redis("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS.location,
        # Of Django's cache API, which only services of your own use: the service's user
        # may write no other keys.
        "KEY_PREFIX": SERVICE_NAME,
        "OPTIONS": {
            **REDIS.options,
            "PASSWORD": env.str("REDIS_PASSWORD", default=""),
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "IGNORE_EXCEPTIONS": False,  # else "not revoked" and "unknown" look alike
            # django-redis keeps pools by URL, so all uses in a process share one.
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.5,
        },
    }
}

# --- The API ------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["shared.auth.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["shared.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "shared.api.negotiation.JSONNegotiation",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "shared.api.schema.AutoSchema",
    "EXCEPTION_HANDLER": "shared.api.problem_details.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# `health/ready` answers `degraded`, not 503, if one of these functions returns false.
OPTIONAL_PARTS = ["shared.api.urls.redis_answers"]
# Functions that look up and set metrics, called at most once a minute.
MINUTE_GAUGES: list[str] = []
DOCS_ENABLED = env.switch("DOCS_ENABLED", default=True)
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": f"Memo {SERVICE_NAME.capitalize()} Service",
    "VERSION": "0.1.0",  # as in pyproject.toml, which no image has
    "CONTACT": {"name": "Memo Product"},
    "LICENSE": {"name": "MIT", "url": "https://opensource.org/license/mit"},
    "TAGS": [{"name": SERVICE_NAME, "description": "All routes of this service."}],
    "DEFAULT_GENERATOR_CLASS": "shared.api.schema.PublicGenerator",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    # Serializers say which members of a PATCH are required.
    "COMPONENT_SPLIT_PATCH": False,
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},
    # The enums of WebAuthn, which have one value each.
    "ENUM_NAME_OVERRIDES": {
        "PublicKeyCredentialType": ["public-key"],
        "Requirement": ["required"],
    },
}

# --- Tokens, sessions and other services --------------------------------------------

JWT_ISSUER = env.str("JWT_ISSUER")
# Every link in a mail and every passkey uses this host, never the request's.
PUBLIC_URL = env.str("PUBLIC_URL", default=JWT_ISSUER).rstrip("/")
WEBAUTHN_RP_ID = urlsplit(PUBLIC_URL).hostname or ""
JWT_AUDIENCE = env.str("JWT_AUDIENCE", default="memo")
JWT_LEEWAY = env.number("JWT_LEEWAY", default=10)  # seconds between two clocks
# The verifying keys: the URL of a JWK Set, or a folder. One is required; the URL wins
# over the folder. A service on the same machine as auth uses the folder.
JWT_JWKS_URL = env.str("JWT_JWKS_URL", default="")
JWT_PUBLIC_KEYS_DIR = None if JWT_JWKS_URL else env.folder("JWT_PUBLIC_KEYS_DIR")
if "JWT_PUBLIC_KEYS_DIR" in env.missing:
    env.missing[-1] = "JWT_JWKS_URL or JWT_PUBLIC_KEYS_DIR"
ACCESS_TOKEN_LIFETIME = env.number("ACCESS_TOKEN_LIFETIME", default=300, least=1)

# The callers of this service and their keys; the services it calls and its keys there.
# For keys read from files, `shared.auth.api_keys` has the current content of the file.
INTERNAL_API_KEYS = env.api_keys("INTERNAL_API_KEYS")
AUTH_SERVICE_URL = env.str("AUTH_SERVICE_URL", default="")
AUTH_SERVICE_API_KEY = env.str("AUTH_SERVICE_API_KEY", default="")
USERS_SERVICE_URL = env.str("USERS_SERVICE_URL", default="")
USERS_SERVICE_API_KEY = env.str("USERS_SERVICE_API_KEY", default="")
# Of CAs, for https URLs of services and of JWT_JWKS_URL.
REQUESTS_CA_BUNDLE = env.certificates("REQUESTS_CA_BUNDLE")
SECRET_FILES = env.secret_files

# The service's own settings add to both. `shared.apps` refuses to start if any are
# missing; `manage_all.sh` warns of settings that are not in ENV_NAMES.
MISSING_SETTINGS = env.missing
ENV_NAMES = env.names
