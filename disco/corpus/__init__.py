"""The demo corpus: real scores, and how they are made audible."""
