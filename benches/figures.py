"""Makes docs/figures/speed.svg and the figures in README.md from what the benchmarks measured.

Usage: figures.py [--tokenvault target/figures/tokenvault.json] [--peers target/figures/peers.json]
                  [--readme README.md] [--svg docs/figures/speed.svg]

Both inputs are of one schema; benches/speed/main.rs writes the first, benches/peers.py the second, on one machine:

    {"host": {"cpu": "model name", "cores": 2, "kernel": "Linux 6.1", "measured_at": 1790000000},   # Unix seconds
     "results": [{"store": "tokenvault", "tokens": 1000, "operation": "find by user",
                  "median_us": 1.2, "p90_us": 1.9, "repetitions": 300}, ...],
     "bars": [{"name": "find by id at 100,000 tokens", "bar": "at most 5 µs",
               "measured": 1.3, "unit": "µs", "met": true}, ...]}                                     # optional

A save of peers.json may carry "bare_append_us": what a bare append cost beside it, so that a busier disk shows.
store: "tokenvault" | "python FileStore" | "Kaizen SQLite" | "bare append" (only with "save": a 1 KiB append and fdatasync
on the same disk, measured beside each save). operation: "find by user" | "find by id" | "save".

The second run on the same inputs changes nothing. Whatever is missing or unknown ends the run before a file is written.
"""

import argparse
import json
import os
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

STORES = ("tokenvault", "python FileStore", "Kaizen SQLite", "bare append")
OPERATIONS = ("find by user", "find by id", "save")
BEGIN = "<!-- figures:begin -->"
END = "<!-- figures:end -->"
ROOT = Path(__file__).resolve().parent.parent
CAPTION = {
    "bare append": "bare append of 1 KiB + `fdatasync`",
    "python FileStore": "the SDK's Python FileStore",
    "Kaizen SQLite": "Kaizen 192's SQLite store",
    "tokenvault": "**tokenvault**",
}


class FiguresError(Exception):
    """An input that no figure can be made of; its text is for the person at the terminal."""


def load(path):
    """The measurements of one file, checked."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FiguresError(f"{path.name} is missing: `cargo xtask bench` makes it") from None
    except (OSError, ValueError) as error:
        raise FiguresError(f"{path.name} cannot be read: {error}") from error
    try:
        for key in ("cpu", "cores", "kernel", "measured_at"):
            data["host"][key]
        for result in data["results"]:
            cell = (result["store"], result["operation"])
            if cell[0] not in STORES or cell[1] not in OPERATIONS:
                raise FiguresError(f"{path.name}: no place in the figures for {' / '.join(cell)}")
            if result["tokens"] < 1 or result["median_us"] <= 0:
                raise FiguresError(f"{path.name}: {' / '.join(cell)} has no positive token count and time")
        for bar in data.get("bars", []):
            for key in ("name", "bar", "measured", "unit", "met"):
                bar[key]
    except (KeyError, TypeError) as error:
        raise FiguresError(f"{path.name} is not of the schema in figures.py: {error!r}") from error
    return data


def cells(*files):
    """{(operation, store): {tokens: median in microseconds}} of all files; each cell measured once."""
    found = {}
    for data in files:
        for result in data["results"]:
            row = found.setdefault((result["operation"], result["store"]), {})
            if result["tokens"] in row:
                raise FiguresError("measured twice: {operation}, {store}, {tokens} tokens".format(**result))
            row[result["tokens"]] = result["median_us"]
    for operation in OPERATIONS:
        for store in STORES[:3]:
            if (operation, store) not in found:
                raise FiguresError(f"not measured: {operation}, {store}")
    if ("save", "bare append") not in found:
        raise FiguresError("not measured: save, bare append")
    return found


def duration(microseconds):
    """Three significant digits and the unit that keeps them readable."""
    value, unit = microseconds, "µs"
    for larger in ("ms", "s"):
        if float(f"{value:.3g}") >= 1_000:
            value, unit = value / 1_000, larger
    rounded = float(f"{value:.3g}")
    decimals = 0 if rounded >= 100 else 1 if rounded >= 10 else 2
    return f"{rounded:.{decimals}f} {unit}"


def markdown_table(head, alignment, rows):
    lines = [head, alignment, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def speed_table(found):
    """A row for each operation and store, a column for each token count."""
    counts = sorted({tokens for row in found.values() for tokens in row})
    rows = []
    for operation in OPERATIONS:
        for store in STORES:
            row = found.get((operation, store))
            if row is not None:
                times = [duration(row[tokens]) if tokens in row else "not measured" for tokens in counts]
                rows.append([operation, CAPTION[store], *times])
    head = ["operation", "store", *(f"{tokens:,} tokens" for tokens in counts)]
    return markdown_table(head, ["---", "---", *("---:" for _ in counts)], rows)


def bars_table(bars):
    """What the project promised itself, and what came of it."""
    rows = [
        [bar["name"], str(bar["bar"]), f"{bar['measured']:,.4g} {bar['unit']}".strip(), "yes" if bar["met"] else "**no**"]
        for bar in bars
    ]
    return markdown_table(["bar", "asked", "measured", "met"], ["---", "---:", "---:", "---"], rows)


def span(times):
    low, high = duration(min(times)), duration(max(times))
    return low if low == high else f"{low} to {high}"


def machine_line(host, appends, peers_appends=()):
    """The machine in one sentence; the disk by what a durable append on it cost beside the saves of either run."""
    day = datetime.fromtimestamp(host["measured_at"], timezone.utc).strftime("%Y-%m-%d")
    beside = f" ({span(peers_appends)} beside the SQLite store's saves)" if peers_appends else ""
    return (
        f"Medians, measured on {day} on {host['cores']} cores of {host['cpu']}, {host['kernel']}, on a disk where a"
        f" durable append of 1 KiB takes {span(appends)}{beside}. FileStore never syncs: a power cut can take its saves"
        " back; the others' saves are on the disk when they answer."
    )


def section(tokenvault, peers, svg_link):
    """All that stands between the two marks in the README."""
    for key in ("cpu", "kernel"):
        if tokenvault["host"][key] != peers["host"][key]:
            raise FiguresError(f"the two files were measured on different machines: their {key} differs")
    found = cells(tokenvault, peers)
    peers_appends = [result["bare_append_us"] for result in peers["results"] if "bare_append_us" in result]
    parts = [
        f"![Time per operation against the number of tokens: tokenvault, the SDK's FileStore, SQLite]({svg_link})",
        speed_table(found),
        machine_line(tokenvault["host"], found["save", "bare append"].values(), peers_appends),
    ]
    bars = [*tokenvault.get("bars", []), *peers.get("bars", [])]
    if bars:
        parts += ["Bars:", bars_table(bars)]
    return "\n\n".join(parts)


def replace_section(text, new):
    """The text with what is between the marks replaced."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise FiguresError(f"the README needs one line {BEGIN} and after it one line {END}")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def write_whole(path, text):
    """Writes the file, or leaves it as it was; an unchanged one is not touched."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", newline="", delete=False) as file:
        file.write(text)
    os.chmod(file.name, mode)
    os.replace(file.name, path)


def run(options):
    tokenvault, peers = load(options.tokenvault), load(options.peers)
    try:
        readme = options.readme.read_text(encoding="utf-8")
    except OSError as error:
        raise FiguresError(f"{options.readme.name} cannot be read: {error.strerror}") from error
    link = Path(os.path.relpath(options.svg.resolve(), options.readme.resolve().parent)).as_posix()
    readme = replace_section(readme, section(tokenvault, peers, link))
    try:
        from speed_plot import draw
    except ModuleNotFoundError as error:
        raise FiguresError(f"{error.name} is not installed: pip install -r benches/requirements.txt") from error
    write_whole(options.svg, draw(cells(tokenvault, peers)))
    write_whole(options.readme, readme)


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenvault", type=Path, default=ROOT / "target/figures/tokenvault.json")
    parser.add_argument("--peers", type=Path, default=ROOT / "target/figures/peers.json")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--svg", type=Path, default=ROOT / "docs/figures/speed.svg")
    return parser.parse_args(words)


def main():
    try:
        run(arguments())
    except FiguresError as error:
        sys.exit(f"figures: {error}")


if __name__ == "__main__":
    main()
