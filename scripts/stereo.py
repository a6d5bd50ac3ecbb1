"""Make a stereo model of a mono one: `python scripts/stereo.py run=outputs/train/…`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("stereo")
