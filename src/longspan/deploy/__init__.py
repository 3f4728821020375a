"""Trained models made ready for use elsewhere: exported, made smaller and quicker."""

from longspan.deploy.comparison import Comparison
from longspan.deploy.compress import compress
from longspan.deploy.distillation import DistillationStep
from longspan.deploy.export import Exported, export
from longspan.deploy.frontier import Frontier

__all__ = ["Comparison", "DistillationStep", "Exported", "Frontier", "compress", "export"]
