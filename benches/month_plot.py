"""The course of a simulated month, hour by hour, as a plot of docs/testing.md.

Usage: month_plot.py HOURS.csv PLOT.svg

The first is what the fleet's test writes: a line for each hour, with the columns of tests/aws/month/samples.rs.
"""

import csv
import sys
from pathlib import Path

from light_dark import BLUE, GREEN, INK, ORANGE, dress, svg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter


def read(path):
    """The columns by their names."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{name: int(count) for name, count in row.items()} for row in csv.DictReader(file)]
    if not rows:
        sys.exit(f"month: {path.name} has no hour")
    return {name: [row[name] for row in rows] for name in rows[0]}


def plot(hours):
    """The figure: calls, refreshes, and reads that had to wait or failed."""
    days = [hour / 24 for hour in hours["hour"]]
    figure = Figure(figsize=(10.4, 6.2), layout="constrained")
    calls, refreshes, reads = figure.subplots(3, 1, sharex=True)
    calls.plot(days, hours["calls"], color=BLUE, linewidth=1.2)
    dress(calls, "calls of AWS in the hour")
    refreshes.plot(days, hours["refreshes"], color=GREEN, linewidth=1.2, label="refreshes")
    refreshes.plot(days, hours["again"], color=ORANGE, linewidth=1.2, label="again, for want of a save")
    dress(refreshes, "refreshes at the provider in the hour")
    share = lambda name: [100 * count / max(1, read) for count, read in zip(hours[name], hours["reads"])]
    reads.plot(days, share("waited"), color=BLUE, linewidth=1.2, label="waited for a refresh")
    reads.plot(days, share("refused in outages"), color=ORANGE, linewidth=1.2, label="failed while AWS was away")
    dress(reads, "reads, per cent of the hour's")
    for panel in (refreshes, reads):
        panel.legend(frameon=False, labelcolor=INK, fontsize=9, loc="center right")
    for panel in (calls, refreshes, reads):
        panel.set_ylim(bottom=0)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.10g}"))
    reads.set_xlim(0, max(days) or 1)
    reads.set_xlabel("days", color=INK)
    return figure


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = map(Path, sys.argv[1:])
    target.write_text(svg(plot(read(source))), encoding="utf-8")


if __name__ == "__main__":
    main()
