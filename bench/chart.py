"""The chart: CPU time per request, a bar for each contender, as SVG."""

from collections.abc import Iterator
from html import escape

from .paths import MAIN
from .rounds import Cell

WIDTH, LEFT, RIGHT = 720, 190, 70
BAR, GAP, TITLE = 18, 6, 34
SHOWN = ("me", "verify_token", "refresh")
COLOURS = {"memo": "#0b6e4f", "memo through Nginx": "#5aa98a", "floor": "#b0b7bf"}
OTHERS = "#c8743c"


def draw(cells: list[Cell]) -> str:
    """A group for each path, each with a scale of its own."""
    parts, y = [], 10
    for path in SHOWN:
        group = [c for c in cells if c.path == path and c.connections == MAIN]
        if group:
            parts += list(group_of(path, group, y))
            y += TITLE + len(group) * (BAR + GAP) + 14
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}"'
        f' font-family="sans-serif" font-size="13" role="img">'
        "<title>CPU time per request</title>"
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>'
    )
    return "\n".join([head, *parts, "</svg>\n"])


def group_of(path: str, group: list[Cell], top: int) -> Iterator[str]:
    longest = max(cell.median("cpu") for cell in group)
    title = f"{path}: CPU ms per request, {MAIN} connections"
    yield f'<text x="10" y="{top + 18}" font-weight="bold">{escape(title)}</text>'
    for place, cell in enumerate(sorted(group, key=lambda c: c.median("cpu"))):
        y = top + TITLE + place * (BAR + GAP)
        value = cell.median("cpu")
        width = (WIDTH - LEFT - RIGHT) * value / longest
        colour = COLOURS.get(cell.contender, OTHERS)
        name = escape(cell.contender)
        yield f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{name}</text>'
        yield (
            f'<rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR}"'
            f' fill="{colour}"/>'
        )
        yield f'<text x="{LEFT + width + 6:.0f}" y="{y + 14}">{value:.2f}</text>'
