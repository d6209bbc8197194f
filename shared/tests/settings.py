"""A service that is made of `shared` alone. It has no database, so no test asks one."""

from pathlib import Path

from shared import structured_logging
from shared.env import Env
from shared.limits.defaults import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
# Session keys are written with the Redis user of the one service that may.
env = Env(ROOT / "auth_project")

SERVICE_NAME = "auth"  # so these may write session keys in Redis
SECRET_KEY = "only-for-the-tests-of-shared-" * 2
ENVIRONMENT = "development"
ALLOWED_HOSTS = ["testserver"]
INTERNAL_HOSTS: list[str] = []
MISSING_SETTINGS: list[str] = []
ROOT_URLCONF = "shared.tests.urls"
APPEND_SLASH = False
USE_TZ = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
LOGGING = structured_logging.configuration(SERVICE_NAME, "INFO", debug=False)
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "drf_spectacular",
    "shared",
]
MIDDLEWARE = [
    "shared.middleware.RequestMiddleware",
    "shared.middleware.TrailingSlashMiddleware",
    "django.middleware.common.CommonMiddleware",
]
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": env.str("REDIS_URL", default="redis://127.0.0.1:6379"),
        "OPTIONS": {
            "PASSWORD": env.str("REDIS_PASSWORD", default=""),
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.5,
        },
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["shared.auth.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["shared.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "shared.api.negotiation.JSONNegotiation",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "shared.api.problem_details.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
}
OPTIONAL_PARTS: list[str] = []
MINUTE_GAUGES: list[str] = []
DOCS_ENABLED = False
CORS_ALLOWED_ORIGINS: list[str] = []
JWT_ISSUER = "https://memo.example"
PUBLIC_URL = "https://memo.example"
WEBAUTHN_RP_ID = "memo.example"
JWT_AUDIENCE = "memo"
JWT_LEEWAY = 10
JWT_JWKS_URL = ""
JWT_PUBLIC_KEYS_DIR = ROOT / "no-keys"  # tests bring their own
JWT_PRIVATE_KEYS_DIR = ROOT / "no-keys"
INTERNAL_API_KEYS = [("auth", "auth-key-" * 6), ("reports", "reports-key-" * 4)]
AUTH_SERVICE_URL = "http://127.0.0.1:1"
AUTH_SERVICE_API_KEY = "test-to-auth-" * 4
USERS_SERVICE_URL = "http://127.0.0.1:1"
USERS_SERVICE_API_KEY = "test-to-users-" * 4
REQUESTS_CA_BUNDLE = ""
COOKIE_SECURE = True
FORWARDED_ALLOW_IPS = "127.0.0.1"
ACCESS_TOKEN_LIFETIME = 300
SECRET_FILES: dict[str, Path] = {}
BIND = "127.0.0.1:8001"
WEB_CONCURRENCY = 2
WEB_THREADS = 8
LIMITS = DEFAULTS
