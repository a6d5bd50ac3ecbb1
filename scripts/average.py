"""Average the weights of several runs: `python scripts/average.py runs=[a,b,c] how=greedy`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("average")
