"""``python -m crosschroma``: the command line."""

from .experiments.cli import main  # pyright: ignore[reportMissingImports]

if __name__ == "__main__":
    main()
