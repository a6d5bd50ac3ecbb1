"""Make music with a trained run: `python scripts/generate.py run=outputs/train/… prompt="a reel"`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("generate")
