"""Variations of training examples."""
