"""A safe production, and by rule and setting what makes it unsafe."""

from typing import Any

from django.conf import settings as django_settings

from shared.limits.defaults import CEILINGS, DEFAULTS
from shared.mail_url import MailServer
from shared.redis_sentinel import parse_redis_url

RANDOM = "S3cr-iT_p9QzXwVb7LkMnH2dJgFyRtUo5AaEeCv0N1hK8mB4"
OTHER = RANDOM.swapcase()
DJANGO, RENDERERS = "django.contrib.auth.hashers", "rest_framework.renderers"


def database(host, /, **options):
    account = {"USER": "a", "NAME": "b", "PASSWORD": RANDOM}
    return {**account, "HOST": host, "OPTIONS": options}


def cache(*places, password=RANDOM):
    options = {"IGNORE_EXCEPTIONS": False, "PASSWORD": password}
    return {"LOCATION": list(places) if places[1:] else places[0], "OPTIONS": options}


def sentinels(url):
    location, options = parse_redis_url(url)
    return {"LOCATION": location, "OPTIONS": {**options, "PASSWORD": RANDOM}}


def limits(**texts):
    return {**CEILINGS, **texts}


SAFE: dict[str, Any] = {
    **{name: getattr(django_settings, name) for name in dir(django_settings)},
    "ENVIRONMENT": "production",
    "SECRET_KEY": RANDOM + "xyz",
    "ALLOWED_HOSTS": ["auth.example.org", "auth"],
    "INTERNAL_HOSTS": ["auth"],
    "INSTALLED_APPS": ["django.contrib.sessions"],
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "CORS_ALLOWED_ORIGINS": ["https://app.example.org", "https://[2001:db8::1]:8443"],
    "CSRF_TRUSTED_ORIGINS": ["https://*.example.org"],
    "JWT_JWKS_URL": "https://memo.example/.well-known/jwks.json",
    "ACCESS_TOKEN_LIFETIME": 3600,
    "JWT_LEEWAY": 60,
    "REFRESH_REUSE_LEEWAY": 60,
    "REFRESH_TOKEN_LIFETIME": 30 * 86400,
    "SESSION_ABSOLUTE_LIFETIME": 30 * 86400,
    "LIMITS": CEILINGS,
    "MAIL_SERVER": MailServer("127.0.0.1", 25, "", "none"),
    "PUBLIC_URL": "https://memo.example",
    "WEBAUTHN_ORIGINS": ["https://memo.example", "https://app.memo.example"],
    "ACCOUNT_URLS": {"reset": "https://app.example/{token}"},
    "SIMPLE_JWT": {"ALGORITHM": "RS256", "SIGNING_KEY": None},
    "EXPECTED_CALLERS": ["users"],
    "INTERNAL_API_KEYS": [("users", RANDOM)],
    "USERS_SERVICE_API_KEY": OTHER,
    "AUTH_SERVICE_URL": "",
    "AUTH_USER_MODEL": "users.User",
    "PASSWORD_HASHERS": [
        "users.passwords.hashers.Argon2Hasher",
        f"{DJANGO}.PBKDF2SHA1Hasher",
    ],
    "CACHES": {"other": {"LOCATION": "any"}, "default": cache("redis://redis:6379")},
    "DATABASES": {"default": database("auth-db")},
    "FORWARDED_ALLOW_IPS": "10.0.0.2,192.168.0.0/16, 203.0.113.0/24,fd00::/8,",
    "REST_FRAMEWORK": {"DEFAULT_RENDERER_CLASSES": [f"{RENDERERS}.JSONRenderer"]},
}


# By rule and setting: values that break it.
BREAKS: dict[tuple[str, str], list[Any]] = {
    ("E001", "INTERNAL_API_KEYS"): [[("users", RANDOM[:42])]],
    ("E001", "USERS_SERVICE_API_KEY"): [OTHER[:42]],
    ("E002", "INTERNAL_API_KEYS"): [[("users", OTHER)]],
    ("E005", "JWT_ISSUER"): [""],
    ("E005", "JWT_AUDIENCE"): [""],
    ("E006", "ALLOWED_HOSTS"): [["auth_service", "auth"]],
    ("E010", "DEBUG"): [True],
    ("E011", "SECRET_KEY"): [
        *("", RANDOM[:49], "0123456789abcde" * 4),
        *("django-insecure-" + RANDOM, "change-me-" + RANDOM),
    ],
    ("E011", "LINK_KEY_FALLBACKS"): [["changeme"], [RANDOM + "xyz", RANDOM[:49]]],
    ("E012", "ALLOWED_HOSTS"): [["*", "auth"], ["auth"], []],
    ("E013", "INTERNAL_API_KEYS"): [
        *([], [("billing", RANDOM)], [("users", "your-api-key-" + RANDOM)])
    ],
    ("E013", "USERS_SERVICE_API_KEY"): ["k" * 50, ""],
    ("E014", "SIMPLE_JWT"): [
        *({}, {"ALGORITHM": "HS256", "SIGNING_KEY": None}),
        {"ALGORITHM": "RS256", "SIGNING_KEY": "canary"},
    ],
    ("E015", "JWT_ISSUER"): [
        *("http://auth.example.org", "auth.example.org", "https://"),
        *("https://auth.example.org?", "https://auth.example.org/#a"),
    ],
    ("E016", "ACCESS_TOKEN_LIFETIME"): [3601],
    ("E017", "JWT_LEEWAY"): [61, 86400],
    ("E017", "REFRESH_REUSE_LEEWAY"): [61],
    ("E018", "COOKIE_SECURE"): [False],
    ("E018", "SESSION_COOKIE_SECURE"): [False],
    ("E019", "CORS_ALLOWED_ORIGINS"): [
        *([each] for each in ("*", "null", "http://a.example", "HTTP://a.example")),
        *([each] for each in ("https://*", "https://a.example/", "file://")),
        ["https://a.example", "http://localhost:3000"],
    ],
    ("E019", "CSRF_TRUSTED_ORIGINS"): [
        *([each] for each in ("http://*.example.org", "https://*", "https://*.org")),
    ],
    ("E019", "WEBAUTHN_ORIGINS"): [
        *([each] for each in ("http://app.memo.example", "*", "https://*.example")),
        *([each] for each in ("https://memo.example/", "https://memo.example/app")),
    ],
    ("E019", "CORS_ALLOW_ALL_ORIGINS"): [True],
    ("E019", "CORS_ALLOWED_ORIGIN_REGEXES"): [[".*"]],
    ("E020", "PASSWORD_HASHERS"): [
        [f"{DJANGO}.PBKDF2PasswordHasher"],
        ["x.Argon2Hasher", f"{DJANGO}.MD5PasswordHasher"],
    ],
    ("E021", "CACHES"): [{"other": {"OPTIONS": {"IGNORE_EXCEPTIONS": True}}}],
    ("E022", "CACHES"): [
        *({"a": cache("redis://a@redis", password=text)} for text in ("", "A", "test")),
    ],
    ("E021", "DJANGO_REDIS_IGNORE_EXCEPTIONS"): [True],
    ("E022", "DATABASES"): [
        {"default": {"USER": "a", "PASSWORD": text}} for text in ("", "a", "Postgres")
    ],
    ("E023", "FORWARDED_ALLOW_IPS"): [
        *("*", "127.0.0.1, *", "0.0.0.0/0", "::/0", "0.0.0.0/1", "0::/0", "2000::/3"),
        *("0.0.0.0/0.0.0.0", "127.0.0.1/0", "10.0.0.0/7", "8.0.0.0/8", "localhost"),
        *("0.0.0.0/1,128.0.0.0/1", "::ffff:0:0/96", "::ffff:0:0/95", "64:ff9b::/97"),
    ],
    ("E024", "REST_FRAMEWORK"): [
        *({}, {"DEFAULT_RENDERER_CLASSES": [f"{RENDERERS}.AdminRenderer"]})
    ],
    ("E026", "JWT_JWKS_URL"): [
        *("http://memo.example/.well-known/jwks.json", "HTTP://MEMO.EXAMPLE/"),
        *("http://8.8.8.8/", "http://134744072/", "http://0x8080808/", "http://[::"),
        *("http://[2001:db8::1]/", "http://localhost@a.example", "file:///etc/jwks"),
        *("http://127.0.0.1.example", "http://[::ffff:8.8.8.8]/", "memo.example/jwks"),
    ],
    ("E026", "USERS_SERVICE_URL"): ["http://users.example.org:8000"],
    ("E026", "NOTES_SERVICE_URL"): ["http://8.8.8.8"],
    ("E027", "DATABASES"): [
        *({"default": database(host)} for host in ("db.example.org", "10.0.0.5")),
        {"default": database("auth-db,db.example.org", sslmode="prefer")},
        {"default": database("", host="2001:db8::5")},
        {"default": database("auth-db", hostaddr="203.0.113.5")},
        {"default": database("auth-db"), "b": database("b.example", sslmode="allow")},
    ],
    ("E027", "CACHES"): [
        *(
            {"a": cache(f"redis://a@{host}:6379/0")}
            for host in ("a.example", "10.0.0.5")
        ),
        {"a": cache("redis://redis:6379,redis://a.example:6379")},
        {"a": cache("rediss://a.example", "redis://b.example")},
        {"a": cache("REDIS://[2001:db8::1]:6379")},
        {"a": sentinels("redis+sentinel://auth@s1.example,s2.example/memo")},
    ],
    ("E028", "REFRESH_TOKEN_LIFETIME"): [30 * 86400 + 1, 10 * 365 * 86400],
    ("E028", "SESSION_ABSOLUTE_LIFETIME"): [30 * 86400 + 1, 10 * 365 * 86400],
    ("E030", "PASSWORD_MIN_SCORE"): [0, 1],
    ("E031", "MAIL_SERVER"): [
        MailServer(host, 25, "", "none")
        for host in ("mail.example", "mailpit", "10.0.0.2", "localhost.example", "::2")
    ],
    ("E032", "PUBLIC_URL"): ["http://memo.example", "memo.example"],
    ("E032", "ACCOUNT_URLS"): [{"reset": "http://app.example/{token}"}],
    ("E029", "LIMITS"): [
        limits(LOGIN_LIMIT_ACCOUNT="999999999/1second"),
        limits(LOGIN_LIMIT_ADDRESS="1000000/minute"),
        limits(LOGIN_LIMIT_NAME="1000000/1year"),
        limits(LOGIN_LIMIT_DEVICE="5/minute; 101/30day"),
        limits(PASSWORD_LIMIT_SESSION="5/15minute"),
        limits(REGISTRATION_LIMIT_ADDRESS="1/second"),
    ],
}
# Values that look like those.
ALSO_SAFE: dict[str, list[Any]] = {
    "JWT_JWKS_URL": [
        *("", "http://auth:8000/jwks", "http://127.0.0.1:8001/", "http://[::1]/"),
        *("http://10.1.2.3/", "http://[fd00::1]/", "http://auth.memo.internal/"),
    ],
    "CACHES": [
        {"a": cache("rediss://a.example:6379"), "b": cache("unix://a@/run/redis.sock")},
        {"a": sentinels("rediss+sentinel://auth@s1.example/memo")},
        {"a": sentinels("redis+sentinel://auth@sentinel-1,sentinel-2/memo")},
        {"a": cache("redis://localhost,redis://[::1]:6379")},
    ],
    "DATABASES": [
        {"a": database(host)} for host in ("", "/run/postgresql", "localhost", "::1")
    ]
    + [
        {"a": database("db.example", sslmode=mode)}
        for mode in ("require", "verify-full")
    ],
    "FORWARDED_ALLOW_IPS": ["", "127.0.0.1", "203.0.113.7", "2001:db8::/48"],
    "LIMITS": [
        *({}, DEFAULTS, limits(LOGIN_LIMIT_ADDRESS="10/second; 600/minute")),
        {"REPORT_LIMIT_USER": "1000000/minute"},  # a service's own
    ],
}
