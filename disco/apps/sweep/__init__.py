"""Sweeps: many runs of one command, on a grid or searched for, that go on where they died."""
