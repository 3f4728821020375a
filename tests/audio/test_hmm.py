import itertools

import pytest
import torch

from longspan.audio.hmm import MonophoneHMM, train_monophones
from longspan.errors import ConfigError, DataError
from longspan.metrics.edit_distance import edit_distance

CENTRES = {"": (0, 0, 0), "a": (4, 0, 0), "b": (0, 4, 0), "c": (0, 0, 4)}


def spoken(text, generator):
    """Frames around a centre for each phoneme, silence at the ends; where each begins is not told."""
    parts = []
    for letter in ("", *text, ""):
        count = int(torch.randint(4, 9, (1,), generator=generator))
        parts.append(torch.tensor(CENTRES[letter]) + 0.7 * torch.randn(count, 3, generator=generator))
    return torch.cat(parts)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    texts = []
    for _ in range(40):
        letters = torch.randint(0, 3, (int(torch.randint(2, 6, (1,), generator=generator)),), generator=generator)
        texts.append("".join("abc"[i] for i in letters))
    return [spoken(text, generator) for text in texts], texts


@pytest.fixture(scope="module")
def model(data):
    return train_monophones(data[0][:30], data[1][:30], rounds=8, gaussians=2)


def test_phonemes_of_new_recordings_are_found(model, data):
    edits = sum(
        edit_distance(text, model.recognise(each)) for each, text in zip(data[0][30:], data[1][30:], strict=True)
    )
    # Equal neighbours ("aa") cannot be parted by this sound.
    plain = sum(len(text) for text in data[1][30:])
    doubled = sum(one == other for text in data[1][30:] for one, other in itertools.pairwise(text))
    assert edits <= doubled + 0.05 * plain


def test_alignments_are_where_the_phonemes_are(model):
    generator = torch.Generator().manual_seed(5)
    counts = {"": 6, "a": 9, "b": 7}
    features = torch.cat(
        [
            torch.tensor(CENTRES[each]) + 0.5 * torch.randn(counts[each], 3, generator=generator)
            for each in ("", "a", "b", "")
        ]
    )
    phonemes = [model.phonemes[state // 3] for state in model.align(features, "ab").tolist()]
    assert phonemes == [""] * 6 + ["a"] * 9 + ["b"] * 7 + [""] * 6


def test_the_alignment_is_the_likeliest_of_all():
    torch.manual_seed(0)
    model = MonophoneHMM(
        ("", "a"), torch.randn(6, 2, 2).double(), torch.rand(6, 2, 2).double() + 0.5,
        torch.tensor([0.4, 0.6]).double().log().expand(6, 2), torch.full((6,), 0.6).double().log(),
    )  # fmt: skip
    features = torch.randn(7, 2).double()
    found = model.align(features, "a")
    chain = [0, 1, 2, 3, 4, 5, 0, 1, 2]
    likelihoods = model.log_likelihoods(features)

    def score(path):
        total = likelihoods[0, chain[path[0]]]
        for frame, (one, other) in enumerate(itertools.pairwise(path), start=1):
            log = torch.tensor(0.6 if one == other else 0.4).double().log()
            total = total + log + likelihoods[frame, chain[other]]
        return float(total)

    paths = []
    for start in (0, 3):
        for moves in itertools.product((0, 1), repeat=6):
            path = [start, *(start + move for move in itertools.accumulate(moves))]
            if path[-1] in (5, 8):
                paths.append(path)
    best = max(paths, key=score)
    assert found.tolist() == [chain[place] for place in best]


def test_densities_are_those_of_torch():
    torch.manual_seed(1)
    model = MonophoneHMM(("",), torch.randn(3, 2, 4), torch.rand(3, 2, 4) + 0.1, torch.randn(3, 2).log_softmax(1),
                         torch.zeros(3) - 1)  # fmt: skip
    features = torch.randn(5, 4)
    normal = torch.distributions.Independent(torch.distributions.Normal(model.means, model.variances.sqrt()), 1)
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=model.log_weights), normal)
    torch.testing.assert_close(
        model.log_likelihoods(features), mixture.log_prob(features[:, None]), rtol=1e-4, atol=1e-4
    )


def test_what_cannot_be(model, data):
    with pytest.raises(DataError, match="4 phonemes take 12 frames, and there are 6"):
        model.align(data[0][0][:6], "abab")
    with pytest.raises(DataError, match="'x' is a phoneme that the models were not trained on"):
        model.align(data[0][0], "x")
    with pytest.raises(DataError, match="No recording has three frames"):
        train_monophones([torch.randn(5, 3)], ["abc"])
    with pytest.raises(ConfigError, match="power of two"):
        train_monophones(data[0], data[1], gaussians=3)
