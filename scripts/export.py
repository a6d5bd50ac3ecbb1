"""Write a run for other libraries: `python scripts/export.py run=outputs/train/… to=hf`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("export")
