"""The language of a user, for mails."""

from contextlib import suppress

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_supported_language_variant
from django.utils.translation.trans_real import parse_accept_lang_header


def locale_of(request: HttpRequest) -> str:
    """The first of LANGUAGES that the client accepts (Accept-Language), else the
    default."""
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    for language in (name for name, quality in accepted if quality):
        with suppress(LookupError):
            return str(get_supported_language_variant(language))
    return settings.LANGUAGE_CODE
