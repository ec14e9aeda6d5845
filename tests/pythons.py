"""Smoke test of femo in fresh environments: import, forward pass, two training steps, model file.

Run by `make pythons` with every Python from 3.10 on that this machine has. Only the standard library outside the
environments.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = tuple(f"3.{minor}" for minor in range(10, 16))

SMOKE = """
import dataclasses, sys, tempfile
from pathlib import Path

import jax, numpy as np

import femo_jax
assert "tensorflow" not in sys.modules and "matplotlib" not in sys.modules

from femo_jax.data.drawn import drawn_split
from femo_jax.model_file import load_model_file, logits_function, save_model_file
from femo_jax.train.checkpoints import load_for_inference
from femo_jax.train.config import TrainConfig
from femo_jax.train.loop import train
from femo_jax.train.progress import SilentReporter

split = drawn_split("validation")
config = TrainConfig(model_options={"widths": (8, 16)}, epochs=1, batch_size=len(split.labels) // 2, eval_batch_size=32)
with tempfile.TemporaryDirectory() as folder:
    workdir, path = Path(folder, "run"), Path(folder, "model.safetensors")
    train(config, workdir, split, split, SilentReporter())
    loaded = load_for_inference(workdir)
    save_model_file(path, loaded, "float32")
    ours, theirs = (logits_function(model)(split.images[:4]) for model in (loaded, load_model_file(path)))
np.testing.assert_allclose(ours, theirs, rtol=1e-6)
assert ours.shape == (4, 7)
from importlib.metadata import version
print("passed:", *(f"{name} {version(name)}" for name in ("jax", "flax", "optax", "orbax-checkpoint", "numpy")))
"""


def interpreters() -> dict[str, str]:
    """Each Python version of this machine with its interpreter, among them pyenv's."""
    found = {}
    for version in VERSIONS:
        candidates = [shutil.which(f"python{version}")]
        candidates += sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")), reverse=True)
        for candidate in filter(None, candidates):
            reported = subprocess.run(
                [candidate, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True
            )
            if reported.returncode == 0:
                found[version] = reported.stdout.strip()
                break
    return found


def smoke(interpreter: str, folder: Path) -> subprocess.CompletedProcess:
    """Installs femo for training into a new environment and runs the smoke test there."""
    python = folder / "bin" / "python"
    hashed = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r"]
    steps = [
        [interpreter, "-m", "venv", folder],
        [*hashed, ROOT / "requirements" / "pip.txt"],
        [*hashed, ROOT / "requirements" / "dev.txt"],
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", ROOT],
        [python, "-c", SMOKE],
    ]
    for step in steps:
        done = subprocess.run(list(map(str, step)), capture_output=True, text=True, cwd=folder.parent)
        if done.returncode:
            break
    return done


def main() -> int:
    """Tests every Python found; 1 if one of them fails or none is there."""
    found = interpreters()
    failed = not found
    for version, interpreter in found.items():
        with tempfile.TemporaryDirectory() as folder:
            done = smoke(interpreter, Path(folder) / "venv")
        failed |= done.returncode != 0
        print(
            f"Python {version}: {done.stdout.strip().splitlines()[-1] if not done.returncode else 'FAILED'}", flush=True
        )
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
