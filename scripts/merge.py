"""Fold adapters into their base: `python scripts/merge.py run="outputs/a:0.7 outputs/b:0.3"`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("merge")
