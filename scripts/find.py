"""Look for a learning rate and a batch size: `python scripts/find.py what=[lr,batch] model=symbolic`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("find")
