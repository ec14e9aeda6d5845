"""`python -m femo_jax.ops.native`: build the extension now, and print the kernel backend."""

from femo_jax.ops.choice import choose

choice = choose("auto")
print(f"kernel backend: {choice.implementation} ({choice.reason})")
