"""Texts that are nearly right: a good one, taken apart and changed.

Random text is refused by the first line of a parser. What lies deeper is met by a good
token with one bit turned, a part doubled, or another's signature.
"""

import base64
import json
from typing import Any

from hypothesis import strategies as st

# What has been read in more than one way somewhere: whitespace and its relatives,
# separators, both alphabets of base64, ends of strings, of lines and of encodings.
ODD = [
    *"\t\n\r\x0b\x0c\x1c\x1f\x85\xa0 ",
    *".=+/-_,;:&%\"'\\@<>[]{}",
    *"\0\x7f\x80\xff",
    *"\u00df\u0130\u200b\u2028\ufeff\ufffd\U0001f600",
]

EDGES: list[Any] = [
    *(None, True, False, "", [], {}, -1, 0, 1.5, -0.0),
    *(2**31, 2**53 + 1, 2**63, 10**15, 10**400, 1e308, float("inf"), float("nan")),
    *("\ud800", "\0", "a" * 5000, "٣", "ﬀ", "a\u0301", "null", "[]"),
]


def nested(depth: int) -> Any:
    """Lists in lists: parsers and printers run out of stack at some depth or other."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def texts() -> st.SearchStrategy[str]:
    """Any text, and of odd characters more than chance would give."""
    return st.text(st.one_of(st.sampled_from(ODD), st.characters()), max_size=60)


def header_texts() -> st.SearchStrategy[str]:
    """As WSGI hands on what a header can carry: octets as Latin-1, no line ends."""
    allowed = st.characters(max_codepoint=255, exclude_characters="\0\r\n")
    odd = st.sampled_from([c for c in ODD if ord(c) < 256 and c not in "\0\r\n"])
    return st.text(st.one_of(odd, allowed), max_size=60)


def sendable(text: str) -> str:
    """What is left of it in a header."""
    octets = text.encode("latin-1", "ignore")
    return octets.translate(None, b"\0\r\n").decode("latin-1")


def values() -> st.SearchStrategy[Any]:
    """Anything JSON, or Python's idea of it, can say."""
    leaves = st.one_of(
        st.sampled_from(EDGES), st.integers(), st.floats(), texts(), st.uuids().map(str)
    )
    trees = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(texts(), inner, max_size=4)
        ),
        max_leaves=8,
    )
    return st.one_of(trees, st.integers(0, 800).map(nested))


def objects_like(good: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """`good` with some members replaced, left out or added."""
    names = st.one_of(st.sampled_from([*good]), texts())
    changes = st.dictionaries(names, st.one_of(st.just(...), values()), max_size=3)
    return changes.map(
        lambda new: {k: v for k, v in {**good, **new}.items() if v is not ...}
    )


@st.composite
def mutated(draw: st.DrawFn, good: str, other: str = "") -> str:
    """`good` after one to three changes; `other` is spliced in."""
    text = good
    for _ in range(draw(st.integers(1, 3))):
        begin, end = sorted((place(draw, text), place(draw, text)))
        change = draw(st.sampled_from(CHANGES))
        text = change(draw, text, begin, end, other or good)
    return text


def place(draw: st.DrawFn, text: str) -> int:
    """Somewhere in the text; as likely at its ends and dots as anywhere else."""
    marks = [0, len(text), *(i for i, c in enumerate(text) if c in ".=;, ")]
    return draw(st.one_of(st.sampled_from(marks), st.integers(0, len(text))))


def turn_a_bit(draw: st.DrawFn, text: str, begin: int, end: int, other: str) -> str:
    if begin == len(text):
        return text
    turned = chr(ord(text[begin]) ^ 1 << draw(st.integers(0, 7)))
    return text[:begin] + turned + text[begin + 1 :]


def swap_segments(draw: st.DrawFn, text: str, begin: int, end: int, other: str) -> str:
    """The segments of both in any order and number."""
    segments = st.sampled_from([*text.split("."), *other.split(".")])
    return ".".join(draw(st.lists(segments, min_size=1, max_size=5)))


def respell(draw: st.DrawFn, text: str, begin: int, end: int, other: str) -> str:
    """A segment in another spelling of base64, or of what is encoded in it."""
    segments = text.split(".")
    which = draw(st.integers(0, len(segments) - 1))
    segments[which] = draw(st.sampled_from(SPELLINGS))(segments[which])
    return ".".join(segments)


def reencode(segment: str) -> str:
    """The JSON in it, written with other spaces; what is no JSON stays."""
    try:
        value = json.loads(base64.urlsafe_b64decode(segment + "=="))
    except ValueError:
        return segment
    text = json.dumps(value, indent=1).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


PIECES = st.sampled_from([*ODD, "==", "..", "A", "Bearer ", "; "])
SPELLINGS = [
    reencode,
    str.swapcase,
    lambda segment: segment + "=" * (-len(segment) % 4),
    lambda segment: segment.replace("-", "+").replace("_", "/"),
    lambda segment: segment[:-1] + chr(ord(segment[-1:] or "A") ^ 1),  # unused bits
    lambda segment: segment.replace("A", "%41", 1),
    lambda segment: base64.b64encode(segment.encode(errors="replace")).decode(),
]
CHANGES: list[Any] = [
    *(turn_a_bit, swap_segments, respell),
    lambda draw, text, begin, end, other: text[:begin] + draw(PIECES) + text[begin:],
    lambda draw, text, begin, end, other: text[:begin] + text[end:],  # delete
    lambda draw, text, begin, end, other: text[:end] + text[begin:],  # double
    # A beginning of one with an end of the other.
    lambda draw, text, begin, end, other: text[:begin] + other[place(draw, other) :],
]
