"""Pictures of the results, as SVG written by hand."""

import math
import pathlib
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 70, 190, 40, 60
COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8e6c8a", "#b08900", "#444444")
SVG = '<svg xmlns="http:' + '//www.w3.org/2000/svg" '


class Axis:
    def __init__(self, values: Sequence[float], low_px: float, high_px: float, log: bool, label: str) -> None:
        lo, hi = min(values), max(values)
        self.log, self.label, self.low_px, self.high_px = log, label, low_px, high_px
        if log:
            self.lo, self.hi = math.log10(lo) - 0.05, math.log10(hi) + 0.05
        else:
            margin = (hi - lo or 1) * 0.06
            self.lo, self.hi = lo - margin, hi + margin

    def at(self, value: float) -> float:
        v = math.log10(value) if self.log else value
        return self.low_px + (v - self.lo) / (self.hi - self.lo) * (self.high_px - self.low_px)

    def ticks(self) -> list[float]:
        if self.log:
            steps = (1, 2, 5) if self.hi - self.lo < 2.5 else (1,)
            all_ticks = [s * 10.0**e for e in range(math.floor(self.lo), math.ceil(self.hi) + 1) for s in steps]
            return [t for t in all_ticks if self.lo <= math.log10(t) <= self.hi]
        step = 10.0 ** math.floor(math.log10((self.hi - self.lo) / 2))
        step = next(s * step for s in (1, 2, 5, 10) if (self.hi - self.lo) / (s * step) <= 8)
        return [i * step for i in range(math.ceil(self.lo / step), math.floor(self.hi / step) + 1)]


def number(v: float) -> str:
    return f"{v:.3g}" if v < 1000 else f"{v:.0f}"


def text(
    x: float, y: float, what: str, anchor: str = "middle", colour: str = "#222", size: int = 13, turn: str = ""
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}" font-size="{size}"{turn}>{escape(what)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str = "#ddd", width: int = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def frame(
    title: str, x: Axis, y: Axis, tick_text: Callable[[float], str], x_ticks: Sequence[float] | None = None
) -> list[str]:
    parts = [text(LEFT, 22, title, "start", size=15)]
    for t in x_ticks or x.ticks():
        parts.append(line(x.at(t), TOP, x.at(t), HEIGHT - BOTTOM))
        parts.append(text(x.at(t), HEIGHT - BOTTOM + 18, tick_text(t)))
    for t in y.ticks():
        parts.append(line(LEFT, y.at(t), WIDTH - RIGHT, y.at(t)))
        parts.append(text(LEFT - 8, y.at(t) + 4, number(t), "end"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, x.label))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(text(18, middle, y.label, turn=f' transform="rotate(-90 18 {middle:.0f})"'))
    return parts


def save(path: pathlib.Path, parts: Sequence[str]) -> None:
    head = f'{SVG}viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    path.write_text("\n".join([head, background, *parts, "</svg>"]) + "\n")


def lines(
    path: pathlib.Path,
    title: str,
    x_label: str,
    y_label: str,
    series: dict[str, list[tuple[float, float]]],
    log: bool = True,
    tick_text: Callable[[float], str] = number,
) -> None:
    """series: {name: [(x, y)]}. Logarithmic axes, or straight ones with whole numbers below."""
    points = [p for row in series.values() for p in row]
    x = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT, log, x_label)
    low: list[float] = [] if log else [0.0]
    y = Axis([*low, *(p[1] for p in points)], HEIGHT - BOTTOM, TOP, log, y_label)
    parts = frame(title, x, y, tick_text, None if log else sorted({p[0] for p in points}))
    for i, (name, row) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path_text = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in row)
        parts.append(f'<polyline points="{path_text}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="3.5" fill="{colour}"/>' for a, b in row]
        parts.append(line(WIDTH - RIGHT + 14, TOP + 12 + 22 * i, WIDTH - RIGHT + 36, TOP + 12 + 22 * i, colour, 3))
        parts.append(text(WIDTH - RIGHT + 42, TOP + 16 + 22 * i, name, "start"))
    save(path, parts)


def spread(labels: list[tuple[float, float, str]], gap: float) -> list[tuple[float, float, float, str]]:
    """Moves labels (wanted y, ...) down until none overlap."""
    placed, last = list[tuple[float, float, float, str]](), -1e9
    for wanted, x, name in sorted(labels):
        last = max(wanted, last + gap)
        placed.append((last, wanted, x, name))
    return placed


def points(
    path: pathlib.Path,
    title: str,
    x_label: str,
    y_label: str,
    named: dict[str, tuple[float, float]],
    ours: Callable[[str], bool],
) -> None:
    """named: {name: (x, y)}; names stand on the right, joined to their points; those that `ours` answers to are bold
    blue."""
    x = Axis([p[0] for p in named.values()], LEFT, WIDTH - RIGHT - 10, False, x_label)
    y = Axis([p[1] for p in named.values()], HEIGHT - BOTTOM, TOP, True, y_label)
    parts = frame(title, x, y, number)
    labels = [(y.at(b), x.at(a), name) for name, (a, b) in named.items()]
    for at, py, px, name in spread(labels, 16):
        colour = COLOURS[0] if ours(name) else COLOURS[5]
        parts.append(line(px, py, WIDTH - RIGHT + 4, at, "#bbb"))
        parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="5" fill="{colour}"/>')
        parts.append(text(WIDTH - RIGHT + 8, at + 4, name, "start", colour))
    save(path, parts)
