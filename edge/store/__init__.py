"""Stores: the outbox, the gallery and the audit trail on disk."""
