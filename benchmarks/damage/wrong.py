"""The one verdict that readers give themselves."""

__all__ = ["Wrong"]


class Wrong(Exception):  # noqa: N818 - what is wrong is the result
    """longspan read the input, and what it says is not what is there."""
