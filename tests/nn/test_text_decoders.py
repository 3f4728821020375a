import math

import pytest
import torch
from torch import nn

from longspan.nn.positions import sinusoids
from longspan.nn.recurrent_decoder import AttentionGRU, ShownLSTM
from longspan.nn.text_decoder import DecoderState
from longspan.nn.transformer_decoder import TransformerDecoder

WIDTH = 8
MASK = torch.tensor([[True] * 5, [True, True, False, False, False]])


def decoders():
    torch.manual_seed(0)
    return {
        "transformer": TransformerDecoder(WIDTH, 2, 2, 12, 0.0).eval(),
        "gru": AttentionGRU(WIDTH, 0.0).eval(),
        "lstm": ShownLSTM(WIDTH, 0.0).eval(),
    }


def some(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["transformer", "gru", "lstm"])
def test_step_by_step_equals_all_steps_at_once(kind):
    decoder, tokens, memory = decoders()[kind], some(2, 6, WIDTH), some(2, 5, WIDTH, seed=2)
    with torch.no_grad():
        whole = decoder(tokens, memory, MASK)
        state, stepped = decoder.start(memory, MASK), []
        for token in tokens.unbind(dim=1):
            output, state = decoder.step(token, state)
            stepped.append(output)
    torch.testing.assert_close(torch.stack(stepped, dim=1), whole, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["transformer", "gru", "lstm"])
def test_padding_of_the_memory_changes_nothing_and_later_tokens_neither(kind):
    decoder, tokens, memory = decoders()[kind], some(2, 6, WIDTH), some(2, 5, WIDTH, seed=2)
    with torch.no_grad():
        whole = decoder(tokens, memory, MASK)
        other = memory.clone()
        other[1, 2:] = 100.0
        torch.testing.assert_close(decoder(tokens, other, MASK), whole)
        alone = decoder(tokens[1:], memory[1:, :2], MASK[1:, :2])
        torch.testing.assert_close(alone, whole[1:], atol=1e-6, rtol=1e-5)
        changed = tokens.clone()
        changed[:, 4:] = 3.0
        torch.testing.assert_close(decoder(changed, memory, MASK)[:, :4], whole[:, :4])


def test_the_transformer_equals_that_of_pytorch():
    torch.manual_seed(0)
    ours = TransformerDecoder(WIDTH, 1, 2, 12, 0.0)
    theirs = nn.TransformerDecoderLayer(WIDTH, 2, 12, 0.0, batch_first=True, norm_first=True)
    layer = ours.layers[0]
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(layer.self_in.weight)
        theirs.self_attn.in_proj_bias.copy_(some(3 * WIDTH))
        layer.self_in.bias.copy_(theirs.self_attn.in_proj_bias)
        theirs.multihead_attn.in_proj_weight.copy_(torch.cat([layer.memory_query.weight, layer.memory_in.weight]))
        for own, other in (
            (layer.self_out, theirs.self_attn.out_proj), (layer.memory_out, theirs.multihead_attn.out_proj),
            (layer.inner, theirs.linear1), (layer.outer, theirs.linear2), (layer.self_norm, theirs.norm1),
            (layer.memory_norm, theirs.norm2), (layer.inner_norm, theirs.norm3),
        ):  # fmt: skip
            other.weight.copy_(own.weight)
            other.bias.copy_(own.bias)
        tokens, memory = some(2, 6, WIDTH), some(2, 5, WIDTH, seed=2)
        causal = nn.Transformer.generate_square_subsequent_mask(6)
        wanted = theirs(tokens, memory, tgt_mask=causal, memory_key_padding_mask=(~MASK).float() * -1e9)
        torch.testing.assert_close(ours(tokens, memory, MASK), ours.norm(wanted), atol=1e-5, rtol=1e-5)


def test_attention_of_the_gru_is_that_of_the_paper():
    decoder, memory = decoders()["gru"], some(2, 5, WIDTH, seed=2)
    hidden = some(2, WIDTH, seed=3)
    decoder.requires_grad_(False)
    weights = decoder.attention(hidden, decoder.start(memory, MASK))
    for row, steps in ((0, 5), (1, 2)):
        energies = []
        for step in range(steps):
            inner = torch.tanh(
                decoder.query.weight @ hidden[row] + decoder.key.weight @ memory[row, step] + decoder.key.bias
            )
            energies.append(math.exp(float(decoder.energy.weight[0] @ inner)))
        wanted = torch.tensor([each / sum(energies) for each in energies])
        torch.testing.assert_close(weights[row, 0, :steps], wanted)
        assert not weights[row, 0, steps:].any()


@pytest.mark.parametrize("kind", ["transformer", "gru", "lstm"])
def test_beginnings_of_a_row_share_its_memory_as_if_each_had_its_own(kind):
    decoder, memory, order = decoders()[kind], some(2, 5, WIDTH, seed=2), torch.tensor([1, 0, 2, 5, 4, 4])
    with torch.no_grad():
        shared = decoder.start(memory, MASK).widened(3)
        apart = decoder.start(memory.repeat_interleave(3, dim=0), MASK.repeat_interleave(3, dim=0))
        for number in range(3):
            token = some(6, WIDTH, seed=number)
            output, shared = decoder.step(token, shared)
            wanted, apart = decoder.step(token, apart)
            torch.testing.assert_close(output, wanted)
            shared, apart = shared.reordered(order), apart.reordered(order)
        token = some(3, WIDTH, seed=9)
        output, _ = decoder.step(token, shared.take(torch.tensor([1])))
        wanted, _ = decoder.step(token, apart.take(torch.tensor([3, 4, 5])))
        torch.testing.assert_close(output, wanted)


def test_positions_go_on_from_any_place():
    torch.testing.assert_close(sinusoids(3, 6, first=4), sinusoids(7, 6)[4:])
    assert sinusoids(1, 4).tolist() == [[0.0, 1.0, 0.0, 1.0]]


@pytest.mark.parametrize("kind", ["transformer", "gru", "lstm"])
def test_a_step_is_exported_with_its_cache_as_tensors(kind):
    decoder, memory = decoders()[kind], some(2, 5, WIDTH, seed=2)

    class Step(nn.Module):
        def __init__(self):
            super().__init__()
            self.decoder = decoder

        def forward(self, token, state):
            return self.decoder.step(token, state)

    with torch.no_grad():
        state = decoder.start(memory, MASK)
        for number in range(3):
            _, state = decoder.step(some(2, WIDTH, seed=number), state)
        token = some(2, WIDTH, seed=9)
        grows = {3: torch.export.Dim.DYNAMIC} if kind == "transformer" else {}
        shapes = ({}, DecoderState(tuple({} for _ in state.memory), tuple(dict(grows) for _ in state.cache), None))
        program = torch.export.export(Step(), (token, state), dynamic_shapes=shapes).module()
        for _ in range(2):  # with a cache of another length too
            output, following = decoder.step(token, state)
            exported, _ = program(token, state)
            torch.testing.assert_close(exported, output)
            state = following
