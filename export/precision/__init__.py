"""A model in another precision: half, or INT8 for each runtime from one calibration."""
