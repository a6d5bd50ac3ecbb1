"""Conditions to vectors."""
