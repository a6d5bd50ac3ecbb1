"""Train, adapt or resume a model: `python train.py model=musicgen adapter=lora`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("train")
