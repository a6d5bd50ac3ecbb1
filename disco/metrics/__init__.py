"""Measures of generated music, one file and one YAML each."""
