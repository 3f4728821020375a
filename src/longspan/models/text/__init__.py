"""Networks that read texts, one paper per file; importing a file registers its networks."""

from __future__ import annotations

from longspan.models.text.bag_of_embeddings import BagOfEmbeddingsConfig
from longspan.models.text.bert import BertConfig
from longspan.models.text.text_cnn import TextCNNConfig
from longspan.models.text.text_rnn import TextRNNConfig
from longspan.models.text.text_transformer import TextTransformerConfig

__all__ = ["BagOfEmbeddingsConfig", "BertConfig", "TextCNNConfig", "TextRNNConfig", "TextTransformerConfig"]
