import itertools

import pytest
import torch

from longspan.audio.hmm import PhonemeHMM, tied_alignment, train_monophones, train_triphones
from longspan.audio.hmm.chains import Chain, forward_backward
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
    model = PhonemeHMM(
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
    model = PhonemeHMM(("",), torch.randn(3, 2, 4), torch.rand(3, 2, 4) + 0.1, torch.randn(3, 2).log_softmax(1),
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


def test_probabilities_of_states_are_sums_over_all_paths():
    torch.manual_seed(2)
    chain = Chain(torch.tensor([0, 1, 2, 3, 0, 1]), (0, 2, 4), 1)  # a pause of one state at both ends and in the middle
    stay = torch.tensor([0.5, 0.3, 0.6, 0.8]).double().log()
    heard = torch.randn(5, 6).double()
    (found,), (stays,), total = forward_backward([heard], [chain], stay)
    states, leave = chain.states, torch.log1p(-stay.exp())
    sums, stayed, whole = torch.zeros(5, 6).double(), torch.zeros(6).double(), 0.0
    for path in itertools.product(range(6), repeat=5):
        moves = [after - before for before, after in itertools.pairwise(path)]
        # The pause at place 2 may be skipped: from 1 to 3.
        legal = all(m in (0, 1) or (m == 2 and (b, b + m) == (1, 3)) for m, b in zip(moves, path, strict=False))
        if not legal or path[0] not in (0, 1) or path[-1] not in (4, 5):
            continue
        log = heard[0, path[0]]
        for frame, (before, move) in enumerate(zip(path, moves, strict=False), start=1):
            log = log + (leave if move else stay)[states[before]] + heard[frame, path[frame]]
        chance = float(log.exp())
        whole += chance
        sums[torch.arange(5), torch.tensor(path)] += chance
        for before, move in zip(path, moves, strict=False):
            stayed[before] += chance * (move == 0)
    torch.testing.assert_close(found, sums / whole)
    torch.testing.assert_close(stays, stayed / whole)
    assert float(total[0]) == pytest.approx(float(torch.tensor(whole).log()))


def test_a_pause_between_words_is_found_and_may_be_missing(model):
    generator = torch.Generator().manual_seed(6)
    for parts, between in ((("", "a", "", "b", ""), 5), (("", "a", "b", ""), 0)):
        features = torch.cat([torch.tensor(CENTRES[each]) + 0.4 * torch.randn(5, 3, generator=generator)
                              for each in parts])  # fmt: skip
        phonemes = [model.phonemes[state // 3] for state in model.align(features, "a b").tolist()]
        assert phonemes == [each for each in parts for _ in range(5)]
        assert phonemes[8:-8].count("") == between


def test_baum_welch_raises_the_likelihood_and_finds_as_well(data):
    totals = []
    for rounds in (1, 2, 4, 6):
        model = train_monophones(data[0][:30], data[1][:30], rounds=rounds, gaussians=1, alignment="baum-welch")
        chains = [model.chain(text, len(each)) for each, text in zip(*data, strict=True)][:30]
        heard = [model.log_likelihoods(each)[:, chain.states] for each, chain in zip(data[0], chains, strict=False)]
        totals.append(float(forward_backward(heard, chains, model.log_stay)[2].sum()))
    assert totals == sorted(totals)
    plain = [(each, text) for each, text in zip(*data, strict=True) if not any(map(str.__eq__, text, text[1:]))]
    edits = sum(edit_distance(text, model.recognise(each)) for each, text in plain)
    assert edits < 0.1 * sum(len(text) for _, text in plain)


def test_states_are_tied_by_neighbours_that_change_the_sound():
    """Behind a or b, c is spoken at another place than behind d; nothing else depends on a neighbour."""
    generator = torch.Generator().manual_seed(1)
    centres = {**CENTRES, "d": (4, 4, 0)}
    features, texts = [], []
    for number in range(60):
        text = ("ac", "bc", "dc")[number % 3]
        parts = []
        for letter in ("", *text, ""):
            centre = torch.tensor(centres[letter], dtype=torch.float32)
            if letter == "c" and text[0] == "d":
                centre = -centre
            parts.append(centre + 0.5 * torch.randn(8, 3, generator=generator))
        features.append(torch.cat(parts))
        texts.append(text)
    mono = train_monophones(features, texts, rounds=4, gaussians=1)
    model = train_triphones(features, texts, mono, states=40, rounds=3, gaussians=1)
    middle = {left: model.states_of(left, "c", "")[1] for left in "abd"}
    assert middle["a"] == middle["b"] != middle["d"]
    assert model.states_of("", "a", "c") == model.states_of("", "a", "b")  # never heard: as what was
    means = [model.means[middle[left], 0, 2] for left in "ad"]
    assert means[0] == pytest.approx(4, abs=0.4)
    assert means[1] == pytest.approx(-4, abs=0.4)
    with pytest.raises(ConfigError, match="no loop of single phonemes"):
        model.recognise(features[0])


def test_tied_states_follow_the_alignment_of_the_monophones(model, data):
    features, texts = [*data[0][:10], data[0][10][:4]], data[1][:11]  # the last is too short for its phonemes
    tied, aligned = tied_alignment(features, texts, model, states=model.num_states)
    assert sorted(aligned) == list(range(10))
    for place, states in aligned.items():
        assert tied.tied is not None
        monophone = model.align(features[place], texts[place])
        # Without a split every state is its monophone's.
        assert torch.equal(states, monophone)
    split, finer = tied_alignment(data[0][:30], data[1][:30], model, states=model.num_states + 3)
    assert split.num_states >= model.num_states
    assert {len(states) for states in finer.values()} == {len(each) for each in data[0][:30]}
    with pytest.raises(ConfigError, match="phonemes have"):
        tied_alignment(features, texts, model, states=3)
