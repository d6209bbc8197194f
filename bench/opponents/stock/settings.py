"""The settings of `startproject`, with DRF and simplejwt as in their documentation."""

import os
from datetime import timedelta
from pathlib import Path

import environ
from project.settings import *

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"

# Without the second app, TokenVerifyView checks only the signature and the times.
INSTALLED_APPS += ["rest_framework", "rest_framework_simplejwt.token_blacklist"]

DATABASES = {"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])}
# Better than Django's default, a new connection for every request.
DATABASES["default"]["CONN_MAX_AGE"] = 600

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": (
        "rest_framework_simplejwt.authentication.JWTAuthentication",
    ),
    "DEFAULT_PERMISSION_CLASSES": ("rest_framework.permissions.IsAuthenticated",),
    "DEFAULT_RENDERER_CLASSES": ("rest_framework.renderers.JSONRenderer",),
}

KEYS = Path(os.environ["KEYS"])
SIMPLE_JWT = {
    "ALGORITHM": "RS256",
    "SIGNING_KEY": (KEYS / "key.pem").read_text(),
    "VERIFYING_KEY": (KEYS / "public.pem").read_text(),
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=4),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}
