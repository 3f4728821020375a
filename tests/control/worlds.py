"""Small environments for tests: a walk on a line, and ones that fail on purpose."""

import gymnasium
import numpy as np


class Walk(gymnasium.Env):
    """Left or right on a line of 7 places, noise from the seed; the episode ends at both ends.

    Reward 1 at the right one; with `either` at the one that the top row shows, which the seed draws.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, break_at=None, fault=None, slip=0.2, either=False):
        self.observation_space = gymnasium.spaces.Box(0, 255, (3, 7), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.break_at, self.fault, self.slip, self.either = break_at, fault, slip, either
        self.steps, self.render_mode = 0, "rgb_array"

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.here = 3 + int(self.np_random.integers(-1, 2)), 0
        self.goal = 6 * int(self.np_random.integers(2)) if self.either else 6
        return self._seen(), {}

    def step(self, action):
        self.here += 1
        self.steps += 1
        if self.np_random.random() < self.slip:
            action = 1 - action
        self.place += 1 if action else -1
        over = self.place in (0, 6)
        reward = float(self.place == self.goal)
        seen = self._seen()
        if self.break_at is not None and self.here == self.break_at:
            if self.fault == "raises":
                raise RuntimeError("the world fell apart")
            if self.fault == "reward":
                reward = float("nan")
            if self.fault == "shape":
                seen = seen[:2]
        return seen, reward, over, False, {"fault": "off the line" if self.place == 0 else False, "place": self.place}

    def _seen(self):
        grid = np.zeros((3, 7), np.uint8)
        grid[:, self.place] = 255
        if self.either:
            grid[0], grid[0, self.goal] = 0, 255
        return grid

    def render(self):
        return np.repeat(self._seen()[..., None], 3, axis=2)
