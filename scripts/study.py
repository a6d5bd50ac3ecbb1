"""Compare adapters on one base: `python scripts/study.py base=outputs/demo/musicgen`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("study")
