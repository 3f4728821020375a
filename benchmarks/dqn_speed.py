"""Frames per second of DQN while it learns: longspan, stable-baselines3, and the loop of CleanRL, interleaved.

python -m pip install 'longspan[games]' stable-baselines3
python benchmarks/dqn_speed.py --out benchmarks/results/dqn_speed.json

All three: MinAtar Breakout, the network of Young and Tian 2019, batches of 32, an update per frame, Adam, a target
network copied every 1,000 frames, no evaluation. longspan steps eight environments together, as it does by default, and
stable-baselines3 and the loop of CleanRL one, as they do. The loop of CleanRL's dqn.py is written out below, with the
replay buffer of stable-baselines3, which it used; its logging is left out. Frames before the first update are counted
in longspan's time and not in that of the others. `cpu` is by the seconds of the processor that the process got, which a
busy machine changes less than `wall`, the time by the clock.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import longspan as ls
from longspan.report import describe_environment

START = 1000


class Clock:
    """Seconds of the clock and of the processor."""

    def __enter__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu


def ours(frames, game):
    """`ls.DQN` with its defaults."""
    config = ls.DQNConfig(learning_starts=START)
    dqn = ls.DQN(game, config, device="cpu")
    with Clock() as clock:
        run = dqn.fit(START + frames, evaluate_every=None)
    return run.updates, clock


def game_for_others(game):
    """Channels first, uint8, as both others read images."""
    import gymnasium

    environment = ls.make_environment(game)
    shape = environment.observation_space.shape
    space = gymnasium.spaces.Box(0, 255, (shape[2], *shape[:2]), np.uint8)
    return gymnasium.wrappers.TransformObservation(
        environment, lambda seen: seen.transpose(2, 0, 1).astype(np.uint8), space
    )


def layers(channels):
    """Of the network, without the last."""
    return nn.Sequential(nn.Conv2d(channels, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 128), nn.ReLU())


def baselines(frames, game):
    """stable-baselines3."""
    from stable_baselines3 import DQN
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

    class Extractor(BaseFeaturesExtractor):
        def __init__(self, space):
            super().__init__(space, 128)
            self.layers = layers(space.shape[0])

        def forward(self, seen):
            return self.layers(seen)

    model = DQN(
        "CnnPolicy", game_for_others(game), learning_rate=2.5e-4, buffer_size=100_000, learning_starts=START,
        batch_size=32, train_freq=1, gradient_steps=1, target_update_interval=1000, exploration_final_eps=0.05,
        policy_kwargs={"features_extractor_class": Extractor, "net_arch": [], "normalize_images": False},
        device="cpu", seed=0,
    )  # fmt: skip
    model.learn(START + 50)
    before = model._n_updates
    with Clock() as clock:
        model.learn(frames, reset_num_timesteps=False)
    return model._n_updates - before, clock


def cleanrl(frames, game):
    """The loop of CleanRL's dqn.py."""
    from stable_baselines3.common.buffers import ReplayBuffer

    environment = game_for_others(game)
    channels, actions = environment.observation_space.shape[0], environment.action_space.n
    online = nn.Sequential(layers(channels), nn.Linear(128, actions))
    target = nn.Sequential(layers(channels), nn.Linear(128, actions))
    target.load_state_dict(online.state_dict())
    optimizer = torch.optim.Adam(online.parameters(), lr=2.5e-4)
    buffer = ReplayBuffer(
        100_000, environment.observation_space, environment.action_space, "cpu", handle_timeout_termination=False
    )
    random, updates = np.random.default_rng(0), 0
    clock = None
    seen, _ = environment.reset(seed=0)
    for step in range(START + frames):
        if step == START:
            clock = Clock().__enter__()
        epsilon = max(0.05, 1 - step / 100_000)
        if random.random() < epsilon:
            action = int(random.integers(actions))
        else:
            action = int(online(torch.Tensor(seen[None])).argmax(1)[0])
        after, reward, over, cut, info = environment.step(action)
        buffer.add(seen, after, np.array([action]), np.array([reward]), np.array([over]), [info])
        seen = environment.reset()[0] if over or cut else after
        if step >= START:
            data = buffer.sample(32)
            with torch.no_grad():
                best, _ = target(data.next_observations.float()).max(dim=1)
                wanted = data.rewards.flatten() + 0.99 * best * (1 - data.dones.flatten())
            old = online(data.observations.float()).gather(1, data.actions).squeeze()
            loss = F.mse_loss(wanted, old)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            updates += 1
            if step % 1000 == 0:
                for one, other in zip(target.parameters(), online.parameters(), strict=True):
                    one.data.copy_(other.data)
    clock.__exit__()
    return updates, clock


def main() -> None:
    """Rounds of all three in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", default="MinAtar/Breakout-v1")
    parser.add_argument("--frames", type=int, default=10_000, help="of each side in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sides = {"longspan": ours, "stable-baselines3": baselines, "loop of CleanRL": cleanrl}
    speeds = {name: {"wall": [], "cpu": []} for name in sides}
    for number in range(options.rounds + 1):
        for name, side in sides.items():
            frames = options.frames if number else 200  # the first loads libraries and is not counted
            updates, clock = side(frames, options.game)
            if number:
                assert abs(updates - frames) <= 16, (name, updates)
                speeds[name]["wall"].append(frames / clock.wall)
                speeds[name]["cpu"].append(frames / clock.cpu)
                print(
                    f"{name:<20}{frames / clock.wall:8.0f} frames/s, {frames / clock.cpu:8.0f} per CPU second",
                    flush=True,
                )
    medians = {name: {kind: statistics.median(each) for kind, each in found.items()} for name, found in speeds.items()}
    first = medians["longspan"]
    result = {
        "command": f"python benchmarks/dqn_speed.py --frames {options.frames} --rounds {options.rounds} "
        f"--threads {options.threads} --game {options.game}",
        "frames_per_second": speeds,
        "medians": medians,
        "times": {
            name: {kind: first[kind] / found[kind] for kind in found}
            for name, found in medians.items() if name != "longspan"
        },
        "environment": describe_environment(device="cpu", precision="float32"),
    }  # fmt: skip
    print(json.dumps(result["times"]))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
