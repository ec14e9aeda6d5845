"""Every measurement on a page is that of a committed file, or names the source outside of the repository."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from page_numbers import Number, measurements, prose
from sources import CLAIMS, POOLS, ROOT, Claim, Fact

PAGES = [
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "femo_jax" / "weights").glob("*.md")),
]
SCALES = (1, 100, 1e-6, 1000)
"""Units in which a page may give a number of a file: as it is, per cent, millions, thousandths."""


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def unsourced(text: str, claims: list[Claim], pool: Sequence[float] = ()) -> list[str]:
    """What is wrong with the numbers of a text: claims that are not there or not true, numbers that no claim holds.

    Args:
      text: of `prose`.
      claims: of the page.
      pool: numbers of files; one of the text that is any of these, in one of `SCALES`, has its source.
    """
    faults, held = [], set()
    for claim in claims:
        places = [match.start() for match in re.finditer(re.escape(claim.text), text)]
        if not places:
            faults.append(f"no longer on the page: {claim.text}")
        printed = measurements(claim.text)
        if len(printed) != len(claim.values):
            faults.append(f"{claim.text}: has the numbers {[n.digits for n in printed]}, {len(claim.values)} values")
        percent = any(number.unit == "%" for number in printed)
        for number, value in zip(printed, claim.values, strict=False):
            if isinstance(value, Fact):
                continue
            scale = 100 if number.unit == "%" or (percent and not number.unit and value < 1) else 1
            if not _rounds_to(scale * value, number):
                faults.append(f"{claim.text}: {number.digits} is {scale * value:g} in the file")
        held |= {place + number.start for place in places for number in printed}
    faults += [
        f"without a source: ...{text[max(0, number.start - 40) : number.end + 20]}..."
        for number in measurements(text)
        if number.start not in held
        and not any(
            abs(number.value - scale * of) <= number.half_of_last_digit + 1e-9 for of in pool for scale in SCALES
        )
    ]
    return faults


def _rounds_to(value: float, number: Number) -> bool:
    return abs(number.value - value) <= number.half_of_last_digit + 1e-9


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_numbers_of_a_page_have_a_source(page):
    assert unsourced(prose(page.read_text("utf-8")), CLAIMS.get(name(page), []), POOLS.get(name(page), ())) == []


def test_claims_are_of_pages_that_are_there():
    assert CLAIMS.keys() | POOLS.keys() <= {name(page) for page in PAGES}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("It reaches 72.36 % on PublicTest.", None),
        ("It reaches 72.35 % on PublicTest.", "no longer on the page: reaches 72.36 %"),
        ("It reaches 72.36 % on PublicTest, and 12.5 % elsewhere.", "without a source: "),
        ("It takes 3,589 images. It reaches 72.36 %.", "without a source: "),
    ],
)
def test_a_number_without_a_source_is_found(text, fault):
    faults = unsourced(text, [Claim("reaches 72.36 %", [0.72359])])
    assert any(found.startswith(fault) for found in faults) if fault else faults == []


def test_a_number_that_is_not_that_of_its_file_is_found():
    [fault] = unsourced("It reaches 72.36 %.", [Claim("reaches 72.36 %", [0.7231])])
    assert fault == "reaches 72.36 %: 72.36 is 72.31 in the file"


def test_code_addresses_and_filled_tables_are_left_out():
    page = (
        "Text 1.5 %\n\n    femo --scale 1.25\n\nand `0.75`, [a link](page-2.5.md), Guo et al. 2017.\n"
        "<!-- table: x -->\n| 9.9 % |\n<!-- end -->\n```python\ny = 8.25\n```\n"
    )
    assert [number.digits for number in measurements(prose(page))] == ["1.5"]


def test_a_number_of_the_files_that_a_page_is_about_has_its_source():
    assert unsourced("It takes 12.5 ms, 72.36 % of it idle.", [], [12.4732, 0.72359]) == []
    assert len(unsourced("It takes 12.5 ms, 72.35 % of it idle.", [], [12.4732, 0.72359])) == 1
