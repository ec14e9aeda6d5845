"""Committed training runs: a JSON Lines file a study, with one line a run.

    python tools/studies.py results/NAME.jsonl runs/CONFIG ...

adds all `runs/CONFIG/seed*` to a study, or replaces them. A line holds `config.json`, `report.json` and `flip.json` of
the run as they are, a digest of the configuration without its seed, and `metrics.jsonl` compressed: columns of JSON,
deflated, in base64. `unpack` turns a study into run folders again.
"""

import base64
import hashlib
import json
import re
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from femo_jax.files import write_json, write_text

RESULTS = Path(__file__).resolve().parents[1] / "results"
"""Folder of the committed studies."""


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes:
      name: name of its configuration.
      overrides: text by dotted field, as in `femo sweep --grid`.
      seed: its seed.
      record: `config.json`: config, data, environment.
      report: `report.json`, of the best epoch, without test-time augmentation.
      flip: `flip.json`, the same with flip TTA.
      metrics: the records of `metrics.jsonl`.
    """

    name: str
    overrides: Mapping[str, str]
    seed: int
    record: Mapping[str, Any]
    report: Mapping[str, Any]
    flip: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]

    @property
    def label(self) -> str:
        """What `femo sweep` calls it: the name and the overrides."""
        return ",".join([self.name, *(f"{field}={value}" for field, value in self.overrides.items())])


def read_study(path: Path) -> list[Run]:
    """All runs of a study, in the order of its lines.

    Raises:
      ValueError: the digest of a line is not that of its configuration.
    """
    return [_from_line(line) for line in path.read_text("utf-8").splitlines()]


def write_study(path: Path, runs: Iterable[Run]) -> None:
    """Writes a study, sorted by label and seed."""
    write_text(path, "".join(_to_line(run) + "\n" for run in sorted(runs, key=lambda run: (run.label, run.seed))))


def read_run(folder: Path) -> Run:
    """The run in a folder `CONFIG,FIELD=VALUE/seed<k>` of `femo sweep` or `femo train`."""
    name, *changes = folder.parent.name.split(",")
    seed = re.fullmatch(r"seed(\d+)", folder.name)
    if not seed:
        raise ValueError(f"{folder}: expected a run folder named seed0, seed1 and so on")
    return Run(
        name,
        dict(change.split("=") for change in changes),
        int(seed[1]),
        _read_json(folder / "config.json"),
        _read_json(folder / "report.json"),
        _read_json(folder / "flip.json"),
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()],
    )


def unpack(runs: Iterable[Run], root: Path) -> None:
    """Writes runs as the folders `root/<label>/seed<k>` from which they were read."""
    for run in runs:
        folder = root / run.label / f"seed{run.seed}"
        folder.mkdir(parents=True)
        write_json(folder / "config.json", run.record)
        write_json(folder / "report.json", run.report)
        write_json(folder / "flip.json", run.flip)
        write_text(folder / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in run.metrics))


def compress(records: Sequence[Mapping[str, Any]]) -> str:
    """Records as text: by split, a column of values for each key, deflated, in base64."""
    columns: dict[str, dict[str, list[Any]]] = {}
    for record in records:
        of_split = columns.setdefault(record["split"], {key: [] for key in record if key != "split"})
        if list(of_split) != [key for key in record if key != "split"]:
            raise ValueError(f"records of the split {record['split']} have different keys")
        for key, values in of_split.items():
            values.append(record[key])
    packed = zlib.compress(json.dumps(columns, separators=(",", ":")).encode(), 9)
    return base64.b64encode(packed).decode()


def decompress(text: str) -> list[dict[str, Any]]:
    """The records of `compress`, by epoch, and within an epoch in the order of the splits."""
    columns = json.loads(zlib.decompress(base64.b64decode(text)))
    by_split = [_rows(split, of_split) for split, of_split in columns.items()]
    return [record for of_epoch in zip(*by_split, strict=True) for record in of_epoch]


def _rows(split: str, columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The records of a split, their keys in the order in which femo writes them."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [{"epoch": row.pop("epoch"), "step": row.pop("step"), "split": split, **row} for row in rows]


def config_digest(config: Mapping[str, Any]) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a configuration, whatever its seed."""
    unseeded = {name: value for name, value in config.items() if name != "seed"}
    return hashlib.sha256(json.dumps(unseeded, sort_keys=True).encode()).hexdigest()[:12]


def _to_line(run: Run) -> str:
    line = {
        "name": run.name,
        "overrides": run.overrides,
        "seed": run.seed,
        "config_sha256": config_digest(run.record["config"]),
        "report": run.report,
        "flip": run.flip,
        **run.record,
        "metrics": compress(run.metrics),
    }
    return json.dumps(line, separators=(",", ":"))


def _from_line(text: str) -> Run:
    line = json.loads(text)
    if line["config_sha256"] != config_digest(line["config"]):
        raise ValueError(f"{line['name']}, seed {line['seed']}: the configuration is not that of its digest")
    record = {key: line[key] for key in ("config", "data", "environment")}
    metrics = decompress(line["metrics"])
    return Run(line["name"], line["overrides"], line["seed"], record, line["report"], line["flip"], metrics)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def main(study: Path, folders: Sequence[Path]) -> None:
    """Adds the runs of folders to a study."""
    runs = {(run.label, run.seed): run for run in (read_study(study) if study.exists() else [])}
    new = [read_run(seed) for folder in folders for seed in sorted(folder.glob("seed*"))]
    write_study(study, (runs | {(run.label, run.seed): run for run in new}).values())


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
