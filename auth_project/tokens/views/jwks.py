"""The key set that strangers verify our tokens with."""

import hashlib
import json

from django.conf import settings
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.openapi import problems
from shared.api.views import OpenView
from shared.keys import keyring, signing_keys
from tokens.serializers import JWKSetSerializer


class JWKSetView(OpenView):
    """The public keys that verify our tokens (RFC 7517)."""

    @extend_schema(
        operation_id="auth_jwks",
        responses={
            200: JWKSetSerializer,
            304: OpenApiResponse(description="Still the one that If-None-Match names."),
            **problems(),
        },
        auth=[],
    )
    def get(self, request: Request) -> HttpResponseBase:
        key_set = signing_keys.jwk_set(keyring.verifying_keys().all())
        tag = quote_etag(hashlib.sha256(json.dumps(key_set).encode()).hexdigest())
        max_age = f"public, max-age={settings.JWKS_MAX_AGE}"
        whole = Response(key_set, headers={"Cache-Control": max_age, "ETag": tag})
        # (Never None, where it is given a response.)
        return get_conditional_response(request._request, tag, None, whole) or whole
