"""Offline: data, thresholds and measurements for bundles."""
