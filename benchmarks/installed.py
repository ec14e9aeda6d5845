"""The size of an installed package and of all that it requires, extras left out: `python installed.py NAME PACKAGE`.

Runs in the interpreter that it measures.
"""

import json
import sys
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path

try:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
except ImportError:  # pip brings it along where nothing else asks for it
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name


def required(name: str) -> dict[str, Distribution]:
    """The distribution `name` and all that it requires on this machine, directly or not, by canonical name."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    wanted = [(canonicalize_name(name), "")]
    while wanted:
        name, extra = wanted.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = distribution(name)
        for requirement in map(Requirement, found[name].requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                wanted += [(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)]
    return found


def recorded_bytes(distribution: Distribution) -> int:
    """The size of the files that installing the distribution wrote."""
    paths = (Path(str(file.locate())) for file in distribution.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())


def package_bytes(package: str) -> int:
    """The size of an import package's folder, which an editable installation does not record."""
    spec = find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or []
    files = (path for folder in folders for path in Path(folder).rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file() and "__pycache__" not in path.parts)


def installed(name: str, package: str) -> dict:
    """`mib` of the distribution `name`, whose import package is `package`, with all that it requires."""
    distributions = required(name)
    others = [each for key, each in distributions.items() if key != canonicalize_name(name)]
    total = package_bytes(package) + sum(map(recorded_bytes, others))
    return {"mib": total / 2**20, "distributions": len(distributions)}


if __name__ == "__main__":
    print(json.dumps(installed(*sys.argv[1:3])))
