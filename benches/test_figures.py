"""Tests of figures.py that need nothing but Python: python3 -m unittest discover --start-directory benches"""

import copy
import json
import tempfile
import unittest
from pathlib import Path

import figures

HOST = {"cpu": "Example CPU", "cores": 2, "kernel": "Linux 6.1", "measured_at": 1_767_225_600}


def measured(stores, times):
    results = [
        {"store": store, "tokens": tokens, "operation": operation, "median_us": time, "p90_us": time, "repetitions": 9}
        for store, operations in stores.items() for operation in operations for tokens, time in times.items()
    ]
    return {"host": dict(HOST), "results": results}


def tokenvault():
    return measured({"tokenvault": figures.OPERATIONS, "bare append": ["save"]}, {10: 0.5, 1_000: 4.25})


def peers():
    return measured({"python FileStore": figures.OPERATIONS, "Kaizen SQLite": figures.OPERATIONS}, {10: 80, 1_000: 2_800})


class Durations(unittest.TestCase):
    def test_three_digits_and_the_unit_that_fits(self):
        cases = {
            0.512: "0.51 µs", 4.256: "4.26 µs", 9.999: "10.0 µs", 23.44: "23.4 µs", 999.4: "999 µs", 999.6: "1.00 ms",
            1_585.0: "1.58 ms", 134_000: "134 ms", 999_600: "1.00 s", 12_345_678: "12.3 s",
        }
        for microseconds, text in cases.items():
            self.assertEqual(figures.duration(microseconds), text)


class Tables(unittest.TestCase):
    def test_a_row_for_each_operation_and_store_a_column_for_each_count(self):
        lines = figures.speed_table(figures.cells(tokenvault(), peers())).splitlines()
        self.assertEqual(lines[0], "| operation | store | 10 tokens | 1,000 tokens |")
        self.assertEqual(lines[2], "| find by user | **tokenvault** | 0.50 µs | 4.25 µs |")
        self.assertEqual(lines[-1], "| save | bare append of 1 KiB + `fdatasync` | 0.50 µs | 4.25 µs |")
        self.assertEqual(len(lines), 2 + 3 * 3 + 1)

    def test_a_hole_in_the_table_says_so(self):
        holed = peers()
        holed["results"] = [
            result for result in holed["results"]
            if (result["store"], result["tokens"], result["operation"]) != ("Kaizen SQLite", 10, "save")
        ]
        table = figures.speed_table(figures.cells(tokenvault(), holed))
        self.assertIn("| save | Kaizen 192's SQLite store | not measured | 2.80 ms |", table)

    def test_a_bar_that_is_not_met_stands_out(self):
        bars = [
            {"name": "opening", "bar": "at most 400 ms", "measured": 1412.3, "unit": "ms", "met": False},
            {"name": "import", "bar": "at least 20 times", "measured": 61, "unit": "times", "met": True},
        ]
        lines = figures.bars_table(bars).splitlines()
        self.assertEqual(lines[2], "| opening | at most 400 ms | 1,412 ms | **no** |")
        self.assertEqual(lines[3], "| import | at least 20 times | 61 times | yes |")

    def test_bars_have_a_table_only_where_there_are_any(self):
        self.assertNotIn("Bars", figures.section(tokenvault(), peers(), "speed.svg"))
        with_bars = tokenvault() | {"bars": [{"name": "n", "bar": "b", "measured": 1, "unit": "s", "met": True}]}
        self.assertIn("| n | b | 1 s | yes |", figures.section(with_bars, peers(), "speed.svg"))

    def test_the_machine_and_its_disk_are_named(self):
        line = figures.machine_line(HOST, [200, 250])
        for part in ("2026-01-01", "2 cores of Example CPU", "Linux 6.1", "1 KiB takes 200 µs to 250 µs. "):
            self.assertIn(part, line)

    def test_a_disk_that_was_busier_in_the_other_run_shows(self):
        busy = peers()
        busy["results"][-1]["bare_append_us"] = 3_000
        line = figures.section(tokenvault(), busy, "speed.svg")
        self.assertIn("takes 0.50 µs to 4.25 µs (3.00 ms beside the SQLite store's saves). ", line)


class Refusals(unittest.TestCase):
    def test_a_store_that_was_not_measured(self):
        partial = peers()
        partial["results"] = [result for result in partial["results"] if result["store"] != "Kaizen SQLite"]
        with self.assertRaisesRegex(figures.FiguresError, "not measured: find by user, Kaizen SQLite"):
            figures.cells(tokenvault(), partial)

    def test_a_cell_measured_twice(self):
        with self.assertRaisesRegex(figures.FiguresError, "measured twice"):
            figures.cells(tokenvault(), peers(), peers())

    def test_files_of_two_machines(self):
        other = copy.deepcopy(peers())
        other["host"]["cpu"] = "Another CPU"
        with self.assertRaisesRegex(figures.FiguresError, "different machines: their cpu differs"):
            figures.section(tokenvault(), other, "speed.svg")

    def test_files_that_are_missing_broken_or_of_another_schema(self):
        unknown = tokenvault()
        unknown["results"][0]["store"] = "abacus"
        no_host = {"results": []}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokenvault.json"
            with self.assertRaisesRegex(figures.FiguresError, "tokenvault.json is missing: `cargo xtask bench`"):
                figures.load(path)
            for text, error in (("{", "cannot be read"), (json.dumps(no_host), "schema"), ("[]", "schema"),
                                (json.dumps(unknown), "no place in the figures for abacus / find by user")):
                path.write_text(text, encoding="utf-8")
                with self.assertRaisesRegex(figures.FiguresError, error):
                    figures.load(path)


class Replacement(unittest.TestCase):
    readme = f"# Title\n\n{figures.BEGIN}\nold\n{figures.END}\n\nrest\n"

    def test_only_what_is_between_the_marks_changes(self):
        text = figures.replace_section(self.readme, "new")
        self.assertEqual(text, f"# Title\n\n{figures.BEGIN}\nnew\n{figures.END}\n\nrest\n")

    def test_the_second_time_changes_nothing(self):
        once = figures.replace_section(self.readme, "new")
        self.assertEqual(figures.replace_section(once, "new"), once)

    def test_marks_that_are_missing_doubled_or_turned_round(self):
        turned = f"{figures.END}\n{figures.BEGIN}\n"
        for text in ("", figures.BEGIN, figures.END, turned, self.readme + self.readme):
            with self.assertRaisesRegex(figures.FiguresError, "the README needs one line"):
                figures.replace_section(text, "new")

    def test_a_failed_run_leaves_the_readme_as_it_was(self):
        with tempfile.TemporaryDirectory() as folder:
            readme = Path(folder) / "README.md"
            readme.write_text(self.readme, encoding="utf-8")
            options = figures.arguments([
                "--readme", str(readme), "--peers", f"{folder}/peers.json", "--tokenvault", f"{folder}/tokenvault.json"])
            with self.assertRaises(figures.FiguresError):
                figures.run(options)
            self.assertEqual(readme.read_text(encoding="utf-8"), self.readme)


if __name__ == "__main__":
    unittest.main()
