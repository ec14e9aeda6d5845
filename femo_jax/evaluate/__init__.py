"""How good a model is: metrics, test-time augmentation, calibration, report."""
