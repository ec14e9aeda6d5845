"""Fixtures that several packages share."""

import os
import shutil
import signal
from importlib.metadata import version
from pathlib import Path

# Before JAX or TensorFlow is imported by any test; subprocesses inherit it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# The same tiny networks are compiled again and again, also in subprocesses.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
# Without XLA's fusion emitters a training step compiles in a third of the time. Another XLA may not know the option,
# and ends a process that is given one.
if (0, 6) <= tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 12):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

import jax
import numpy as np
import pytest

from femo_jax.data.splits import Split
from femo_jax.errors import ConfigError
from femo_jax.files import cache_folder
from femo_jax.model_file import LoadedModel
from femo_jax.models import create_model
from femo_jax.ops import choose


def pytest_collection_modifyitems(items):
    """Marks tests by their folder: those of `end_to_end/` start processes, those of `ros/` need ROS 2."""
    tests = Path(__file__).parent
    for folder, marker in ((tests / "end_to_end", "integration"), (tests / "ros", "ros")):
        for item in items:
            if item.path.is_relative_to(folder):
                item.add_marker(marker)


@pytest.fixture(autouse=True)
def temporary_cache(tmp_path_factory, monkeypatch):
    """Prepared data sets go to a temporary cache, never to the user's own.

    The extension that is compiled there already, as `make setup` does it, is taken along: compiling it takes up to a
    minute in each test process.
    """
    if "FEMO_TEST_CACHE" not in os.environ:
        folder, compiled = tmp_path_factory.mktemp("cache"), cache_folder() / "native"
        if compiled.is_dir():
            shutil.copytree(compiled, folder / "native")
        os.environ["FEMO_TEST_CACHE"] = str(folder)
    monkeypatch.setenv("FEMO_CACHE", os.environ["FEMO_TEST_CACHE"])


@pytest.fixture(scope="module")
def unoptimised():
    """XLA compiles without optimising, here and in processes that the tests start.

    For networks so small that compiling them takes longer than running them. Networks of full size would be slow.
    """
    before = jax.config.read("jax_disable_most_optimizations")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        jax.config.update("jax_disable_most_optimizations", True)
        yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="session")
def fer2013():
    """The path of the real FER-2013, or a skip."""
    path = os.environ.get("FEMO_FER2013")
    if not path:
        pytest.skip("set FEMO_FER2013 to the path of FER-2013 to run this test")
    return Path(path)


@pytest.fixture
def onednn(request):
    """A skip where oneDNN is not to be had, or lacks the dtype that the test has as its parameter `dtype`.

    The first test of a session that asks builds the extension.
    """
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    try:
        choose("onednn", np.dtype(parameters.get("dtype", "float32")).name)
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["xla", "onednn"])
def implementation(request):
    """Each implementation of the networks' layers; oneDNN where it is to be had."""
    if request.param == "onednn":
        request.getfixturevalue("onednn")
    return request.param


def _tiles(count: int, seed: int) -> Split:
    """Images that a network learns within seconds: each class is a tile pattern of its own, shifted, under noise."""
    patterns = np.random.default_rng(0).integers(0, 2, (7, 8, 8)).repeat(2, axis=1).repeat(2, axis=2) * 150
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, count).astype(np.int32)
    images = rng.integers(0, 100, (count, 48, 48, 1)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        shifted = np.roll(np.tile(patterns[label], (3, 3)), rng.integers(0, 16, 2), axis=(0, 1))
        image += shifted[..., None].astype(np.uint8)
    return Split(images, labels, np.array([f"tiles/{seed}/{index}" for index in range(count)]))


@pytest.fixture(scope="session")
def train_tiles():
    """A split of 96 easy images."""
    return _tiles(96, seed=0)


@pytest.fixture(scope="session")
def validation_tiles():
    """A split of 45 easy images, a number that no batch size divides."""
    return _tiles(45, seed=1)


@pytest.fixture(scope="session")
def random_model() -> LoadedModel:
    """A narrow `simple_cnn` with random weights and statistics."""
    options = {"widths": [4, 4, 4, 4], "dense": 8}
    network = create_model("simple_cnn", **options)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), np.zeros((1, 48, 48, 1), np.float32), train=False))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.uniform(0.1, 1.0, leaf.shape).astype(np.float32), shapes)
    return LoadedModel("simple_cnn", options, variables)


@pytest.fixture
def not_under_nohup():
    """SIGHUP is not ignored, as it is where the tests themselves run under nohup; an uncaught one fails the test."""
    before = signal.signal(signal.SIGHUP, lambda *_: pytest.fail("SIGHUP was not caught"))
    yield
    signal.signal(signal.SIGHUP, before)
