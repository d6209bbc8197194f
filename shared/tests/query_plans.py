"""What PostgreSQL reads for the statements of a piece of code. For suites: a request
must not read more because there are more users."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

EXPLAIN = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "
EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass
class Reading:
    """All scans of all statements: (sort of scan, table or index, rows looked at)."""

    scans: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows that were looked at, those that a condition dropped included. The bitmap
        of an index does not count: the scan of the table that follows it does."""
        return sum(rows for sort, _, rows in self.scans if sort != "Bitmap Index Scan")

    @property
    def whole_tables(self) -> list[str]:
        """The tables that were read from one end to the other."""
        return [name for sort, name, _ in self.scans if sort == "Seq Scan"]

    def add(self, node: dict[str, Any]) -> None:
        """The scans of a plan and of the plans below it."""
        name = node.get("Index Name") or node.get("Relation Name")
        if name and node["Node Type"].endswith("Scan"):
            dropped = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
            looked_at = node["Actual Rows"] + sum(node.get(n, 0) for n in dropped)
            times = node["Actual Loops"]
            self.scans.append((node["Node Type"], name, int(looked_at * times)))
        for below in node.get("Plans", ()):
            self.add(below)


@contextmanager
def reading() -> Iterator[Reading]:
    """Explain every statement that Django runs, by running it once more before, within
    a savepoint: what counts is what it did, not what it was expected to."""
    found = Reading()

    def explain(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if sql.lstrip().upper().startswith(EXPLAINED):
            execute("SAVEPOINT explaining", None, False, context)
            execute(EXPLAIN + sql, params, many, context)
            [plans] = context["cursor"].fetchone()
            execute("ROLLBACK TO SAVEPOINT explaining", None, False, context)
            plans = json.loads(plans) if isinstance(plans, str) else plans
            found.add(plans[0]["Plan"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield found
