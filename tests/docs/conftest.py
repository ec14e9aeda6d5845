"""The scripts of `tools/` and the helpers beside these tests are no package: their folders are put on the path."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tools")]
