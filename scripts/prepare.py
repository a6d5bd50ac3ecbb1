"""Ready music for training: `python scripts/prepare.py prepare=audio source=~/songs target=data/mine`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("prepare")
