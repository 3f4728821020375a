"""Networks that read the features of a table, one paper per file; importing a file registers its networks."""

from __future__ import annotations

from longspan.models.tabular.ft_transformer import FTTransformerConfig
from longspan.models.tabular.mlp import MLPConfig
from longspan.models.tabular.tabm import TabMConfig
from longspan.models.tabular.tabm_light import TabMLightConfig
from longspan.models.tabular.tabular_resnet import TabularResNetConfig

__all__ = ["FTTransformerConfig", "MLPConfig", "TabMConfig", "TabMLightConfig", "TabularResNetConfig"]
