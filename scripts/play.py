"""Play with a trained run in a browser: `python scripts/play.py run=outputs/demo/musicgen`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("play")
