"""Offline: trained models made into bundles."""
