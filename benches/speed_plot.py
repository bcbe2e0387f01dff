"""The plot of the README: time per operation against the number of tokens, as an SVG for light and dark pages."""

from light_dark import BLUE, GREEN, INK, ORANGE, dress as dressed, svg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

PANELS = ("find by user", "find by id", "save")
# The markers tell the lines apart without colour.
LINES = {
    "tokenvault": {"color": BLUE, "marker": "o", "linewidth": 2.4, "zorder": 4},
    "python FileStore": {"color": ORANGE, "marker": "s", "linewidth": 1.6, "zorder": 3},
    "Kaizen SQLite": {"color": GREEN, "marker": "^", "linewidth": 1.6, "zorder": 3},
    "bare append": {"color": INK, "linestyle": (0, (3, 3)), "linewidth": 1.2, "zorder": 5},
}
LABELS = {
    "tokenvault": "tokenvault",
    "python FileStore": "SDK's Python FileStore (no sync)",
    "Kaizen SQLite": "Kaizen 192's SQLite store",
    "bare append": "bare 1 KiB append + fdatasync",
}
DECADES = {0.1: "0.1 µs", 1: "1 µs", 10: "10 µs", 100: "100 µs", 1e3: "1 ms", 1e4: "10 ms", 1e5: "100 ms", 1e6: "1 s",
           1e7: "10 s"}


def draw(found):
    """The SVG's text, from figures.cells."""
    return svg(plot(found))


def plot(found):
    """The figure: three panels side by side with one scale of time."""
    figure = Figure(figsize=(10.4, 4.3), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    counts = sorted({tokens for row in found.values() for tokens in row})
    lines = {}
    for panel, operation in zip(panels, PANELS):
        for store, look in LINES.items():
            row = found.get((operation, store))
            if row:
                lines[store] = panel.plot(sorted(row), [row[n] for n in sorted(row)], markersize=5.5, **look)[0]
        dress(panel, operation, counts)
    panels[0].set_ylabel("median time per operation", color=INK)
    panels[1].set_xlabel("tokens in the store", color=INK)
    limits(panels[0], [time for row in found.values() for time in row.values()])
    figure.legend(
        [lines[store] for store in LINES if store in lines], [LABELS[store] for store in LINES if store in lines],
        loc="outside upper center", ncols=len(lines), frameon=False, labelcolor=INK, fontsize=9.5, handlelength=2.4)
    return figure


def dress(panel, operation, counts):
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlim(min(counts) / 2, max(counts) * 2)
    panel.xaxis.set_major_locator(FixedLocator(counts))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_minor_locator(NullLocator())
    dressed(panel, operation)


def limits(panel, times):
    """Whole decades around all times, so that each gridline has a name."""
    low = max((decade for decade in DECADES if decade <= min(times)), default=min(DECADES))
    high = min((decade for decade in DECADES if decade >= max(times)), default=max(DECADES))
    panel.set_ylim(min(low, min(times)), max(high, max(times)))
    panel.yaxis.set_major_locator(FixedLocator(list(DECADES)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda time, _: DECADES.get(time, "")))
