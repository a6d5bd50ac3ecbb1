"""Ten minutes of music from nothing: `make demo`; an interrupted demo goes on where it stopped."""

from disco.apps.demo import main

if __name__ == "__main__":
    main()
