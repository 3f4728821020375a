"""Training speed of the transformer of system translate beside a plain PyTorch loop, and of its beam search.

python benchmarks/translate_speed.py --out benchmarks/results/translate_speed.json

Both train the same sizes on the same sub-words of Multi30k in one process, in turns, with AdamW, label smoothing and
gradient clipping. The plain loop is `nn.Transformer` (pre-norm, tied embeddings) on shuffled batches, padded to their
longest sentences, as tutorials write it. Counted are tokens of the target a second, padding left out.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import nn

import longspan as ls
from longspan.columns.ragged import pad
from longspan.data.batches.order import epoch_order
from longspan.inference.source import prepare_inputs, prepare_targets, sum_losses
from longspan.nn.positions import sinusoids
from longspan.report.environment import describe_environment
from longspan.systems.translate import TranslateOptions, _parts, _task
from longspan.train.sequence_lengths import row_lengths

WIDTH, LAYERS, HEADS, DROPOUT, SMOOTHING, LR = 160, 3, 4, 0.25, 0.1, 1e-3


class Plain(nn.Module):
    """`nn.Transformer` with tied embeddings."""

    def __init__(self, source_size, target_size):
        """Build for two vocabularies."""
        super().__init__()
        self.source = nn.Embedding(source_size, WIDTH, padding_idx=0)
        self.target = nn.Embedding(target_size, WIDTH, padding_idx=0)
        self.transformer = nn.Transformer(
            WIDTH, HEADS, LAYERS, LAYERS, 2 * WIDTH, DROPOUT, batch_first=True, norm_first=True
        )
        self.output = nn.Linear(WIDTH, target_size)
        self.output.weight = self.target.weight
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, source, target):
        """Logits of the tokens behind those of `target`."""
        embedded = [
            self.dropout(table(each) * math.sqrt(WIDTH) + sinusoids(each.shape[1], WIDTH))
            for table, each in ((self.source, source), (self.target, target))
        ]
        causal = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return self.output(
            self.transformer(
                *embedded, tgt_mask=causal, src_key_padding_mask=(source == 0).float() * -1e9,
                tgt_key_padding_mask=(target == 0).float() * -1e9,
                memory_key_padding_mask=(source == 0).float() * -1e9, tgt_is_causal=True,
            )
        )  # fmt: skip


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", required=True)
    options.add_argument("--steps", type=int, default=15, help="of each, in every turn")
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--rows", type=int, default=29_000)
    options.add_argument("--beam-rows", type=int, default=128)
    given = options.parse_args()
    chosen = TranslateOptions(train_rows=given.rows)
    task = _task(_parts(chosen, 0), chosen, 0)
    head = ls.Generate(width=WIDTH, depth=LAYERS, heads=HEADS, inner=2 * WIDTH, dropout=DROPOUT, max_length=80)
    config = ls.TrainConfig(batch_size=chosen.batch_size, clip_norm=1.0, precision="float32")
    encoder = ls.TextTransformerConfig(
        width=WIDTH, layers=LAYERS, heads=HEADS, inner=2 * WIDTH, dropout=DROPOUT, pool="none"
    )
    learner = ls.Learner(task, encoder, heads={"fr": head}, config=config, seed=0, progress=False, device="cpu")
    samples, rows = task.samples, task.train
    order = epoch_order(rows, 0, 0, chosen.batch_size, *row_lengths(samples, rows, learner.heads))
    real = padded = 0
    for batch in samples.batches(order, chosen.batch_size):
        counts = (batch.targets["fr"] >= 0).sum(dim=1) + 1
        real += int(batch.inputs["en"].lengths.sum() + counts.sum())
        padded += len(batch) * int(batch.inputs["en"].lengths.max() + counts.max())
    waste = 1 - real / padded
    print(f"padding: {waste:.1%}", flush=True)

    plain = Plain(task.inputs["en"].tokenizer.size, task.targets["fr"].tokenizer.size).train()
    network = learner.network.train()
    sizes = [sum(p.numel() for p in each.parameters()) for each in (network, plain)]
    steps = [torch.optim.AdamW(each.parameters(), lr=LR, betas=(0.9, 0.98)) for each in (network, plain)]
    ours = samples.batches(order, chosen.batch_size)
    shuffled = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
    theirs = samples.batches(shuffled, chosen.batch_size)
    speeds = {"longspan": [], "plain": []}

    def own_step(batch):
        targets = prepare_targets(batch, task.targets)
        outputs = network(*prepare_inputs(batch, learner.inputs), targets=targets)
        return sum_losses(learner.heads, outputs, targets, batch.present)

    def plain_step(batch):
        texts = [text[text >= 0] for text in batch.targets["fr"]]
        begin = pad([torch.cat([torch.tensor([2]), text]) for text in texts], 0).values
        end = pad([torch.cat([text, torch.tensor([3])]) for text in texts], 0).values
        logits = plain(batch.inputs["en"].values, begin)
        return nn.functional.cross_entropy(
            logits.flatten(0, 1), end.flatten(), ignore_index=0, label_smoothing=SMOOTHING
        )

    for turn in range(given.turns + 1):
        for name, batches, step, module, optimizer in (
            ("longspan", ours, own_step, network, steps[0]), ("plain", theirs, plain_step, plain, steps[1]),
        ):  # fmt: skip
            tokens, started = 0, time.perf_counter()
            for _ in range(given.steps if turn else 3):  # the first turn warms up
                batch = next(batches)
                loss = step(batch)
                loss.backward()
                nn.utils.clip_grad_norm_(module.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                tokens += int((batch.targets["fr"] >= 0).sum()) + len(batch)
            if turn:
                speeds[name].append(tokens / (time.perf_counter() - started))
        print({name: [round(each) for each in speed] for name, speed in speeds.items()}, flush=True)
    predictor = learner.predictor().with_options("fr", beam=5, max_length=20)
    texts = task.table.frame["en"].gather(task.valid[: given.beam_rows].numpy()).to_list()
    started = time.perf_counter()
    predictor.predict(texts)
    beam = len(texts) / (time.perf_counter() - started)
    medians = {name: sorted(each)[len(each) // 2] for name, each in speeds.items()}
    found = {
        "tokens_per_second": {name: [round(each) for each in speed] for name, speed in speeds.items()},
        "ratio": round(medians["longspan"] / medians["plain"], 3),
        "padding": round(waste, 4),
        "parameters": dict(zip(speeds, sizes, strict=True)),
        "beam_5_sentences_per_second": round(beam, 1),
        "note": "the beam search writes texts of 20 tokens, since the network is hardly trained",
        "environment": describe_environment(device="cpu", precision="float32"),
    }
    Path(given.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(found)


if __name__ == "__main__":
    main()
