"""Texts that are nearly right: a good one, taken apart and changed.

Random text is refused by the first line of a parser. What lies deeper is met by a good
token with one bit turned, a part doubled, or another's signature.
"""

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
PIECES = st.sampled_from([*ODD, "==", "..", "A", "%41", "Bearer ", "; "])

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
    """What a header can carry."""
    return texts().map(sendable)


def sendable(text: str) -> str:
    """What is left of it in a header, as WSGI hands it on: octets as Latin-1, no line
    ends."""
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
    text, other = good, other or good
    for _ in range(draw(st.integers(1, 3))):
        begin, end = sorted(draw(st.integers(0, len(text))) for _ in range(2))
        segments = st.sampled_from([*text.split("."), *other.split(".")])
        turned = "".join(chr(ord(c) ^ 1 << draw(BIT)) for c in text[begin : begin + 1])
        changes = [
            text[:begin] + turned + text[begin + 1 :],
            text[:begin] + draw(PIECES) + text[begin:],
            text[:begin] + text[end:],
            text[:end] + text[begin:],  # a part twice
            text[:begin] + other[end:],
            ".".join(draw(st.lists(segments, min_size=1, max_size=5))),
            text.replace("-", "+").replace("_", "/"),
        ]
        text = draw(st.sampled_from(changes))
    return text


BIT = st.integers(0, 7)
