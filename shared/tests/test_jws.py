"""Tokens taken apart (RFC 7515): one way of writing each, and nobody else's.

What a signature and the claims must be is told by `test_tokens`.
"""

import base64
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.keys import jws
from shared.tests import forgery


@pytest.fixture
def token(make_token):
    return make_token(session=None)


def test_the_parts_are_what_was_put_together(token):
    parts = jws.parse(token)

    assert parts.header == jwt.get_unverified_header(token)
    assert json.loads(parts.payload)["token_type"] == "access"
    assert parts.signing_input.decode() == token.rpartition(".")[0]


@given(st.binary(max_size=64))
def test_every_text_of_octets_is_read_back(octets):
    assert jws.octets(forgery.b64(octets).encode()) == octets


@given(st.binary(max_size=8))
def test_a_segment_is_what_its_octets_encode_to_or_it_is_refused(segment):
    try:
        octets = jws.octets(segment)
    except jws.Malformed:
        return
    assert base64.urlsafe_b64encode(octets).rstrip(b"=") == segment


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: f"{t}=", id="padding"),
        pytest.param(lambda t: f"{t}\n", id="newline"),
        pytest.param(lambda t: t.replace(".", "..", 1), id="empty-segment"),
        pytest.param(lambda t: f"{t}.", id="four-segments"),
        pytest.param(lambda t: t.partition(".")[2], id="two-segments"),
        pytest.param(lambda t: f"*{t}", id="not-base64"),
        pytest.param(lambda t: f"A{t}", id="length-that-nothing-has"),
        pytest.param(lambda t: f"{t[:20]} {t[20:]}", id="space"),
        pytest.param(lambda t: f"\u00e9{t}", id="not-ascii"),
        pytest.param(lambda t: "", id="nothing"),
    ],
)
def test_other_texts_are_refused(token, change):
    with pytest.raises(jws.Malformed):
        jws.parse(change(token))


def test_bits_that_no_octet_has_are_refused():
    """Python's decoder drops them: QQ and QR are both `A`."""
    assert jws.octets(b"QQ") == b"A"
    with pytest.raises(jws.Malformed):
        jws.octets(b"QR")


@pytest.mark.parametrize("text", [b"[]", b'"a"', b"{", b"\xff", b"[" * 9000])
def test_header_and_payload_are_json_objects(text):
    with pytest.raises(jws.Malformed):
        jws.parse(f"{forgery.b64(text)}.e30.e30")
