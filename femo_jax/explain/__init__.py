"""What a network looks at: maps of a face that show where its evidence for an emotion comes from.

Begin with `faces.py`, which explains a face; `grad_cam.py` and `integrated_gradients.py` hold the methods;
`femo_jax.figures.explanation` draws.
"""
