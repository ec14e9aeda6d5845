"""Finds the numbers of a page that need a source: measurements in prose and in tables written by hand."""

import re
from typing import NamedTuple

_LEFT_OUT = re.compile(
    r"<!-- (?:table|parameters): .*?<!-- end -->"  # filled in from committed files
    r"|```.*?```|(?:(?<=\n\n)|(?<=\A))(?: {4}[^\n]*\n)+"  # code
    r"|`[^`\n]*`|<!--.*?-->"
    r"|\]\([^)]*\)|https?://\S+"  # addresses
    r"|(?:et al\. |\b(?:and|\w+) )\(?(?:19|20)\d\d\b|Regulation 20\d\d/\d+",  # references
    re.DOTALL,
)
_NUMBER = re.compile(
    r"(?<![\w.,-])(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\d+)"
    r"(?P<unit>(?:\s*(?:%|ms\b|MiB\b|MB\b|GB\b|M\b|s\b|minutes\b|seconds\b|times\b|points?\b|Hz\b|GFLOP))?)"
    r"(?![\w.]*\w)"
)


class Number(NamedTuple):
    """A number of a page: its digits, its unit, and where it stands in the text."""

    digits: str
    unit: str
    start: int
    end: int

    @property
    def value(self) -> float:
        """Its value as printed."""
        return float(self.digits.replace(",", ""))

    @property
    def half_of_last_digit(self) -> float:
        """By how much the true value may differ from the printed one; 752,000 is in thousands."""
        if self.digits.endswith(",000"):
            return 500.0
        return 0.5 * 10.0 ** -len(self.digits.partition(".")[2])


def prose(page: str) -> str:
    """The page without filled tables, code, addresses and years of references, on one line."""
    return " ".join(_LEFT_OUT.sub(" ", page).split())


def measurements(text: str) -> list[Number]:
    """Numbers with a unit, a decimal point or a separator of thousands; of `68.8 ± 0.5 %` both."""
    found = [
        Number(match["digits"], match["unit"].strip(), match.start(), match.end()) for match in _NUMBER.finditer(text)
    ]
    return [number for number in found if number.unit or re.search(r"[.,]", number.digits)]
