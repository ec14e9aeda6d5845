"""oneDNN's primitives as JAX functions: C++ sources, their build, and the loaded library."""
