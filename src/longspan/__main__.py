"""`python -m longspan` is `longspan`."""

from __future__ import annotations

from longspan.cli import main

if __name__ == "__main__":
    main()
