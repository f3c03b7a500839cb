"""Commands of calibration and evaluation."""
