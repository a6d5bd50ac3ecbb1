"""Stages that make raw material ready for training."""
