"""Training: state, losses, metrics, jitted steps, loop, checkpoints."""
