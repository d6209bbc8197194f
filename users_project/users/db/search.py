"""The columns that the admin's search for users compares, and their index."""

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.functions import Upper

# Lookups of the admin's search. Canonical names are in one case already, so fewer rows
# are compared in upper case, which takes ten times as long.
SEARCHED = (
    "email_canonical__contains",
    "username_canonical__contains",
    "first_name__icontains",
    "last_name__icontains",
    "display_name__icontains",
)


def trigrams(lookup: str) -> OpClass:
    """The index expression of this lookup. `icontains` compares in upper case."""
    column, _, kind = lookup.partition("__")
    compared = Upper(column) if kind == "icontains" else models.F(column)
    return OpClass(compared, name="gin_trgm_ops")
