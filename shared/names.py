"""The form of a name in which it is unique, looked up, and counted by."""


def canonical(text: str) -> str:
    """`text` without surrounding space and without case.

    Python's, not a database's: what `lower()` does there depends on a collation.
    """
    return text.strip().casefold()
