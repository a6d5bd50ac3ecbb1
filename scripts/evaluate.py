"""Measure a run or a folder of audio: `python scripts/evaluate.py run=outputs/train/… metric=[notes,signal]`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("evaluate")
