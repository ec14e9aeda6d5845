"""Fills the tables of the pages, and draws their figures, from committed results.

    python tools/pages.py

A page marks a table by `<!-- table: NAME -->` before it and `<!-- end -->` after it; `results_tables.py` makes what
stands between. All else on a page is written by hand.
"""

import re
from pathlib import Path

import benchmark_tables
import results_tables
from results_figures import Point, draw_cost, draw_risk_coverage, draw_times
from results_tables import read_json, rows_of, runs_of, times_of
from rich.console import Console

from femo_jax import weights
from femo_jax.evaluate.summary import deviation, mean
from femo_jax.files import write_text
from femo_jax.live.config import TrackConfig

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md")))
TABLES = {**results_tables.TABLES, **benchmark_tables.TABLES}
IMAGES = ROOT / "docs" / "images"
_TABLE = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with its tables as the committed results have them."""
    return _TABLE.sub(lambda table: f"{table[1]}\n{TABLES[table[2]]()}\n{table[3]}", page)


def cost_panels() -> dict[str, list[Point]]:
    """The points of the figure of cost by split."""
    rows = rows_of(runs_of("networks"))
    ours = [
        Point(row.label, row.multiply_adds, mean(tta) or 0.0, deviation(tta) or 0.0, "femo")
        for row in rows
        if (tta := row.flip_accuracy)
    ]
    shipped = [
        Point(name, record["multiply_adds"], of["accuracy"], 0.0, "femo")
        for name, record in ((name, weights.model_record(name)) for name in weights.shipped_names())
        for of in record["evaluations"]
        if (of["split"], of["tta"]) == ("test", "flip")
    ]
    others = [
        Point(of["name"], of["multiply_adds"], of["accuracy"], 0.0, f"selected on {of['selected_on']}")
        for of in read_json("published.json")["networks"]
    ]
    return {"PublicTest": ours, "PrivateTest": shipped + others}


def main() -> None:
    """Writes all pages and figures."""
    draw_cost(cost_panels(), IMAGES / "cost.png")
    times = times_of(runs_of("networks"))
    draw_times({name: of for name, of in times.items() if of.minutes_to(0.5)}, IMAGES / "time.png")
    draw_risk_coverage(read_json("wild_prior.json"), TrackConfig().uncertain_below, IMAGES / "risk-coverage.png")
    for page in PAGES:
        text = page.read_text("utf-8")
        if (now := filled(text)) != text:
            write_text(page, now)
            Console().print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
