"""Functions of PostgreSQL for the ORM."""

from django.db import models


class ClockTimestamp(models.Func):
    """The database's clock. `now()` is the start of the transaction: it would leave out
    the time that a statement waited for a lock."""

    template = "clock_timestamp()"
    output_field = models.DateTimeField()
