"""The programs; the only package that speaks Hydra."""
