"""The plot of the README: time per operation against the number of tokens, as an SVG for light and dark pages."""

import io
import re

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams.update({
    "svg.fonttype": "path",  # looks the same where the font is missing
    "svg.hashsalt": "tokenvault",  # the same figures give the same file
    "font.family": "DejaVu Sans",
    "font.size": 10,
})

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

# light -> dark; drawn in light, and a style in the SVG turns each into its partner where the page is dark.
INK, FAINT, PAGE = "#1f2328", "#d0d7de", "#fffffe"
DARK = {INK: "#e6edf3", FAINT: "#30363d", PAGE: "#0d1117"}
PANELS = ("find by user", "find by id", "save")
# Each colour but the ink has a contrast of 3:1 or more on both backgrounds; the markers tell the lines apart without colour.
LINES = {
    "tokenvault": {"color": "#1f77d0", "marker": "o", "linewidth": 2.4, "zorder": 4},
    "python FileStore": {"color": "#d55e00", "marker": "s", "linewidth": 1.6, "zorder": 3},
    "Kaizen SQLite": {"color": "#009e73", "marker": "^", "linewidth": 1.6, "zorder": 3},
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
    figure = plot(found)
    out = io.StringIO()
    figure.savefig(out, format="svg", facecolor=PAGE, metadata={"Date": None, "Creator": None})
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}' for light, dark in DARK.items() for kind in ("fill", "stroke")
    )
    style = f"<style>@media(prefers-color-scheme:dark){{{rules}}}</style>"
    svg = re.sub(r"(<svg[^>]*>)", lambda tag: tag[1] + "\n " + style, out.getvalue(), count=1)
    return "".join(line.rstrip() + "\n" for line in svg.splitlines())


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
    panel.set_title(operation, color=INK, fontsize=11, fontweight="bold", pad=8)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlim(min(counts) / 2, max(counts) * 2)
    panel.xaxis.set_major_locator(FixedLocator(counts))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_minor_locator(NullLocator())
    panel.grid(axis="y", color=FAINT, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.set_facecolor("none")
    panel.tick_params(colors=INK, labelsize=9, length=0)
    for side, spine in panel.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)


def limits(panel, times):
    """Whole decades around all times, so that each gridline has a name."""
    low = max((decade for decade in DECADES if decade <= min(times)), default=min(DECADES))
    high = min((decade for decade in DECADES if decade >= max(times)), default=max(DECADES))
    panel.set_ylim(min(low, min(times)), max(high, max(times)))
    panel.yaxis.set_major_locator(FixedLocator(list(DECADES)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda time, _: DECADES.get(time, "")))
