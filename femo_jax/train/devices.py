"""Data parallelism: batches split over all devices of all processes, the state a copy on each."""

import ctypes
import sys
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from femo_jax.errors import ConfigError
from femo_jax.runtime import processor_name


def keep_freed_memory() -> None:
    """Lets the C library keep the memory that a step frees for the next one; to be called before JAX is used.

    XLA allocates the memory of a step, some hundred megabytes, again for each step. glibc returns blocks of that size
    to the system, which then clears every page again: on two cores about a tenth of a fast training step. With another
    C library than glibc nothing changes.
    """
    if not (sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "gnu_get_libc_version")):
        return
    one_arena, no_mapping, no_trimming = (-8, 1), (-4, 0), (-1, 2**31 - 1)  # M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD
    for parameter, value in (one_arena, no_mapping, no_trimming):
        libc.mallopt(parameter, value)


def prepare_devices(cpu_devices: int = 1) -> None:
    """Settings of the process for training; to be called before JAX starts its backend.

    With one device it may be called at any time: several commands can run one after the other in a process.

    Args:
      cpu_devices: number of devices to split the CPU into.

    Raises:
      RuntimeError: JAX has started already, with another number of devices.
    """
    keep_freed_memory()
    if cpu_devices > 1 or jax.config.values["jax_num_cpu_devices"] > 1:
        jax.config.update("jax_num_cpu_devices", cpu_devices)


def device_name() -> str:
    """What the steps run on: `NVIDIA H200`, or the model of the processor."""
    device = jax.devices()[0]
    return processor_name() if device.platform == "cpu" else device.device_kind


def data_mesh() -> Mesh:
    """All devices of all processes along one axis, `data`."""
    return Mesh(np.array(jax.devices()), ("data",))


def check_divides(batch_size: int, mesh: Mesh, name: str) -> None:
    """Raises ConfigError where a batch cannot be split evenly over the devices."""
    if batch_size % mesh.size:
        raise ConfigError(f"{name} is {batch_size}: expected a multiple of the {mesh.size} devices in use")


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Puts a copy of every array on every device; each process gives the same values."""
    sharding = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), tree)


def shard_batch(batch: Any, mesh: Mesh) -> Any:
    """Splits this process's share `[b / processes, ...]` of a batch over its devices."""
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), batch)


def process_rows(batch_size: int) -> slice:
    """The rows of a global batch that this process feeds to its devices."""
    share = batch_size // jax.process_count()
    return slice(jax.process_index() * share, (jax.process_index() + 1) * share)


def settle(tree: Any) -> Any:
    """Waits for arrays on several CPU devices; elsewhere gives them back at once.

    The CPU devices of one process share a thread pool: with a second step under way, the threads that wait in a
    collective operation of the first can leave none for its other half, and XLA ends the process.
    """
    if jax.default_backend() == "cpu" and jax.device_count() > 1:
        jax.block_until_ready(tree)
    return tree
