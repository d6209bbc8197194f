"""Cookies, tokens and bodies that are nearly right (TOK-02, COOK-08, INP-01)."""

import pytest
from django.test import RequestFactory
from hypothesis import example, given
from hypothesis import strategies as st

from shared.api.exceptions import TokenError, TokenInvalid, TokenMissing
from shared.tests.fuzzing import fuzz
from shared.tests.mutated_text import header_texts, mutated, sendable
from tokens import cookies
from tokens.jwt_tokens import RefreshToken, SpentRefreshToken

pytestmark = pytest.mark.django_db


@fuzz
@given(
    header=st.one_of(
        mutated("theme=dark; refresh_token=a.b.c").map(sendable), header_texts()
    )
)
@example(header="refresh_token")
@example(header="refresh_token=a; refresh_token=a")
@example(header="refresh_token=a;refresh_token")
@example(header="\xa0refresh_token=a; refresh_token=b")
def test_a_cookie_is_there_once_or_refused(header):
    """By the standard's own words: pairs between semicolons, the name up to the first
    equals sign (RFC 6265 section 5.4)."""
    names = [pair.strip(" \t").partition("=")[0] for pair in header.split(";")]
    request = RequestFactory().post("/", HTTP_COOKIE=header)
    if names.count("refresh_token") > 1:
        with pytest.raises(TokenInvalid):
            cookies.find(request)
    elif "refresh_token" not in names:
        assert cookies.find(request) is None
        with pytest.raises(TokenMissing):
            cookies.read(request)
    else:
        found = cookies.find(request)
        assert found is not None
        assert f"refresh_token={found}" in header or found == ""


@fuzz
@given(text=header_texts())
def test_any_text_is_a_refresh_token_or_an_error_of_ours(trusted_kid, text):
    for kind in (RefreshToken, SpentRefreshToken):
        with pytest.raises(TokenError):
            kind.parse(text)
