"""`python -m femo_jax.ops.native`: builds the extension now, and says what there is."""

from femo_jax.ops.choice import choose

choice = choose("auto")
print(f"layers by {choice.implementation} ({choice.reason})")
