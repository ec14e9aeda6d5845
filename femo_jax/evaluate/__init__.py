"""How good a model is: metrics, test-time views, calibration, report."""
