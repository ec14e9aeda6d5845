"""The experiments are scripts, not a package: their folders are put on the path as Python does for a script."""

import sys
from pathlib import Path

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
sys.path[:0] = [str(EXPERIMENTS), str(EXPERIMENTS / "benchmarks")]
