"""The figures of a run as a table and a chart."""

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import chart
from .paths import MAIN
from .rounds import Cell, Sample

MIB = 2**20


def write(results: dict[str, Any], folder: Path) -> None:
    """`report.md` and `report.svg` in `folder`, of whatever was measured."""
    parts = {
        "paths": of_paths,
        "overload": of_overload,
        "scale": of_scale,
        "rest": of_rest,
    }
    lines = [f"{platform.machine()}, Python {platform.python_version()}", ""]
    for name, part in parts.items():
        if name in results:
            lines += [*part(results[name]), ""]
    (folder / "report.md").write_text("\n".join(lines))
    if "paths" in results:
        cells = cells_of(results["paths"]["cells"])
        (folder / "report.svg").write_text(chart.draw(cells))
    print("\n".join(lines))
    print(f"{folder}/report.md, report.svg, results.json")


def cells_of(rows: list[dict[str, Any]]) -> list[Cell]:
    return [
        Cell(**{**row, "samples": [Sample(**each) for each in row["samples"]]})
        for row in rows
    ]


def of_paths(found: dict[str, Any]) -> Iterator[str]:
    """A line for every contender on every path, at the connections of the table."""
    cells = cells_of(found["cells"])
    yield (
        "| path | who | CPU ms | least to most | stores ms | per second | p50 ms"
        " | p99 ms | our CPU by theirs | our rate by theirs |"
    )
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for cell in cells:
        if cell.connections == MAIN:
            yield line_of(cell, ours_of(cell, cells))
    yield ""
    yield f"One Argon2id hash: {found['hash']:.1f} ms CPU, {found['cores']} cores."
    for name, size in found["memory"].items():
        yield f"Memory after it, {name}: {size / MIB:.0f} MiB."
    for name, reason in found["skipped"].items():
        yield f"**{name} was left out: {reason}**"


def ours_of(cell: Cell, cells: list[Cell]) -> Cell | None:
    """Our own cell beside this one."""
    for other in cells:
        same = (other.path, other.connections) == (cell.path, cell.connections)
        if same and other.contender == "memo" and other is not cell:
            return other
    return None


def line_of(cell: Cell, ours: Cell | None) -> str:
    low, high = cell.spread("cpu")
    ratios = ["", ""]
    if ours is not None:
        ratios = [f"{ours.ratio(cell, name):.2f}" for name in ("cpu", "rate")]
    figures = [
        f"{cell.median('cpu'):.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{cell.median('database'):.2f}",
        f"{cell.median('rate'):.0f}",
        f"{cell.median('p50'):.1f}",
        f"{cell.median('p99'):.1f}",
    ]
    return f"| {' | '.join([cell.path, cell.contender, *figures, *ratios])} |"


def of_overload(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Log-ins a second: {found['capacity']:.0f} possible, {found['offered']:.0f}"
        f" tried, {found['served']:.0f} good; answers {found['statuses']}."
    )
    yield ""
    yield "| beside them | quiet p50 | quiet p99 | storm p50 | storm p99 | answers |"
    yield "|---|--:|--:|--:|--:|---|"
    for name, quiet in found["quiet"].items():
        storm = found["storm"][name]
        figures = [
            f"{each[p]:.1f} ms" for each in (quiet, storm) for p in ("p50", "p99")
        ]
        yield f"| {name} | {' | '.join(figures)} | {storm['statuses']} |"
    memory = ", ".join(f"{size / MIB:.0f}" for size in found["memory"])
    yield f"\nMemory of both services before, in and after the storm: {memory} MiB."


def of_scale(found: dict[str, Any]) -> Iterator[str]:
    sizes = list(found["cells"])
    yield f"| CPU ms, services and stores | {' | '.join(sizes)} | most by least |"
    yield f"|---|{'--:|' * len(sizes)}--:|"
    tables = [cells_of(found["cells"][size]) for size in sizes]
    for row in zip(*tables, strict=True):
        costs = [cell.median("cpu") + cell.median("database") for cell in row]
        shown = " | ".join(f"{cost:.2f}" for cost in costs)
        yield f"| {row[0].path} | {shown} | {max(costs) / min(costs):.2f} |"
    yield ""
    for size, flush in found["flushes"].items():
        yield (
            f"Flushing at {size}: {flush['rows']:.0f} rows in {flush['seconds']:.1f} s,"
            f" {flush['memory'] / MIB:.0f} MiB at most."
        )
    yield f"Redis, for a live session: {found['key_bytes']:.0f} bytes."


def of_rest(found: dict[str, Any]) -> Iterator[str]:
    middle = len(found["up"]) // 2
    yield f"`up` on a prepared machine: {found['up'][middle]:.1f} s."
    yield f"Both services answer after {found['services'][middle]:.1f} s."
    memory = found["memory"]
    both = (memory["auth"] + memory["users"]) / MIB
    shown = ", ".join(f"{name} {size / MIB:.0f}" for name, size in memory.items())
    yield f"At rest: both services {both:.0f} MiB; all of it"
    yield f"{sum(memory.values()) / MIB:.0f} MiB ({shown})."
