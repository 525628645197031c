"""`python -m filewallball.cli` is `fwb`."""

from filewallball.cli import main

if __name__ == "__main__":
    main()
