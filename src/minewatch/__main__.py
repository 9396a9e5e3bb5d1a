"""``python -m minewatch``: the command, where its script is not on the path."""

from minewatch.cli import main

if __name__ == "__main__":
    main()
