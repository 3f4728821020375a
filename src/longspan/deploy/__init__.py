"""Trained models made ready for use elsewhere: exported."""

from longspan.deploy.export import Comparison, Exported, export

__all__ = ["Comparison", "Exported", "export"]
