"""The report: a Markdown table for each path."""

import statistics
from collections.abc import Iterator

from .rounds import Sample

HEADER = (
    "| {} | CPU ms | least to most | stores ms | per second | p50 ms | p99 ms"
    " | our CPU / theirs | with stores | our rate / theirs |\n|---|{}"
)


def table(path: str, found: dict[str, list[Sample]]) -> Iterator[str]:
    """A row for each contender. The first is ours: ratios are its figures by theirs."""
    yield HEADER.format(path, "--:|" * 9)
    ours = next(iter(found.values()))
    for name, samples in found.items():
        cpu = values(samples, "cpu")
        shown = [
            name,
            f"{statistics.median(cpu):.2f}",
            f"{min(cpu):.2f} to {max(cpu):.2f}",
        ]
        for figure, digits in {"stores": 2, "rate": 0, "p50": 1, "p99": 1}.items():
            shown.append(f"{statistics.median(values(samples, figure)):.{digits}f}")
        for figure in ("cpu", "total", "rate"):
            pairs = zip(values(ours, figure), values(samples, figure), strict=True)
            shown.append(f"{statistics.median(a / b for a, b in pairs):.2f}")
        yield f"| {' | '.join(shown)} |"
    yield ""


def values(samples: list[Sample], figure: str) -> list[float]:
    """One figure of every round."""
    return [getattr(sample, figure) for sample in samples]
