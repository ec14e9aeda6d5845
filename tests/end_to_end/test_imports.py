"""What an import may load: recognising faces needs neither TensorFlow nor matplotlib."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "tensorflow_datasets", "matplotlib", "optax", "orbax", "sklearn")


def loaded(statement):
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import femo_jax", "import femo_jax.model_file", "import femo_jax.cli.main"])
def test_inference_imports_are_light(statement):
    assert loaded(statement).isdisjoint(HEAVY)


def test_the_check_sees_what_is_loaded():
    assert "matplotlib" in loaded("import femo_jax.plots")
