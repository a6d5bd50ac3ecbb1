"""Measure a run or a folder of audio: `python scripts/evaluate.py run=outputs/train/…`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("evaluate")
