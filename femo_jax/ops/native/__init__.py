"""oneDNN's primitives as functions of JAX: C++ sources, their build, and the library that it gives."""
