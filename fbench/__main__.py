"""``python -m fbench`` is ``fbench``."""

from fbench.cli import main

if __name__ == "__main__":
    main()
