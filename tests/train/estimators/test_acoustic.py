"""What a network of states learns from: other voices, and files of its first form."""

import torch

from longspan.audio.mfcc import cepstrum
from longspan.inference.estimators.acoustic_model import AcousticModel, FrameNetwork
from longspan.train.estimators.acoustic import AcousticTraining, voice_warp


def test_a_voice_as_it_is_stays_and_higher_formants_move_up():
    torch.testing.assert_close(voice_warp(40, 1.0), torch.eye(40), atol=1e-5, rtol=0)
    bands = torch.zeros(1, 40, 1)
    bands[0, 10] = 1.0  # a formant below 1 kHz, where bands are linear
    higher = voice_warp(40, 1.1) @ cepstrum(bands, 40)[0]
    cosines = cepstrum(torch.eye(40)[None], 40)[0]
    back = (cosines.T @ higher)[:, 0]
    assert int(back.argmax()) == 11


def test_models_of_the_first_form_are_still_read():
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(60, 40, generator=generator).numpy() for _ in range(4)]
    training = AcousticTraining(form="network", gaussians=1, rounds=2, width=8, epochs=1, states=12)
    model = training.learn(features, ["ab", "ba", "aab", "b"])
    fields, tensors = model.to_parts()
    again = AcousticModel.from_parts(fields, tensors)
    torch.testing.assert_close(
        torch.from_numpy(again.hear(features[0]).scores), torch.from_numpy(model.hear(features[0]).scores)
    )
    old = FrameNetwork(40, model.hmm.num_states, 8)
    first = {name: each for name, each in fields.items() if name not in ("dilations", "narrow")}
    weights = {f"network.{name}": each for name, each in old.state_dict().items()}
    plain = {name: each for name, each in tensors.items() if not name.startswith("network.")}
    read = AcousticModel.from_parts(first, {**plain, **weights})
    assert read.hear(features[0]).scores.shape == (60, model.hmm.num_states)


def test_monophones_of_a_network_learn_from_some_recordings_and_know_every_phoneme():
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(60, 40, generator=generator).numpy() for _ in range(9)]
    phonemes = ["ab", "ba", "aab", "b", "ab", "c", "ba", "ab", "ba"]
    options = {"form": "network", "gaussians": 1, "rounds": 2, "width": 8, "epochs": 1, "states": 12}
    few = AcousticTraining(**options, monophone_rows=3).learn(features, phonemes)
    every = AcousticTraining(**options, monophone_rows=9).learn(features, phonemes)
    assert few.hmm.phonemes == every.hmm.phonemes
    assert few.steps_done == every.steps_done  # the network learns from all of them
    assert not torch.equal(few.hmm.means, every.hmm.means)
    same = AcousticTraining(**options, monophone_rows=100).learn(features, phonemes)
    torch.testing.assert_close(same.hmm.means, every.hmm.means)
