"""Damaged and hostile files, and what longspan makes of them: the parts of `benchmarks/damaged.py`."""
