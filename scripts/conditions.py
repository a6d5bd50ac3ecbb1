"""Train a small model per condition and measure what each condition moves: `python scripts/conditions.py`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("conditions")
