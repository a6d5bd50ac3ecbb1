"""Contracts, value types, the base module, one training step."""
