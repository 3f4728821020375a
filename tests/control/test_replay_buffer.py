"""The replay buffer against one that keeps whole transitions in a list."""

import itertools

import numpy as np
import pytest

from longspan.control.dqn.priorities import Priorities
from longspan.control.dqn.replay_buffer import ReplayBuffer, next_stack
from longspan.errors import CheckpointError

SHAPE = (2, 3, 1)


class Plain:
    """Steps of one environment in lists: observations whole, with their stacks."""

    def __init__(self, stack, n_step, discount):
        self.stack, self.n_step, self.discount = stack, n_step, discount
        self.steps = []

    def transition(self, row):
        total, factor = 0.0, 1.0
        for step in range(self.n_step):
            _, _, reward, over, cut, after = self.steps[row + step]
            total += factor * reward
            factor *= self.discount
            if over or cut:
                break
        return self.steps[row][0], self.steps[row][1], total, 0.0 if over else factor, after


def filled(rows, *, n=2, stack=1, n_step=1, size=60, seed=0, **more):
    """A buffer after some steps of random episodes, and the same steps in lists by environment."""
    random = np.random.default_rng(seed)
    buffer = ReplayBuffer(size, shape=SHAPE, environments=n, stack=stack, n_step=n_step, discount=0.9, **more)
    plain = [Plain(stack, n_step, 0.9) for _ in range(n)]
    frames = random.integers(0, 255, (n, *SHAPE), dtype=np.uint8)
    stacks, ages = [np.concatenate([frame] * stack, -1) for frame in frames], np.zeros(n, int)
    for _ in range(rows):
        assert np.array_equal(buffer.newest_stack(frames, ages), np.stack(stacks))
        actions, rewards = random.integers(0, 3, n), random.normal(size=n).astype(np.float32)
        ends = random.random(n)
        over, cut = ends < 0.1, (ends >= 0.1) & (ends < 0.2)
        after = random.integers(0, 255, (n, *SHAPE), dtype=np.uint8)
        last = {number: after[number].copy() for number in range(n) if over[number] or cut[number]}
        buffer.add(frames, actions, rewards, over, cut, ages, last)
        for number in range(n):
            behind = next_stack(stacks[number], after[number].copy(), stack)
            step = (stacks[number], actions[number], rewards[number], over[number], cut[number], behind)
            plain[number].steps.append(step)
            if over[number] or cut[number]:
                frame = random.integers(0, 255, SHAPE, dtype=np.uint8)
                after[number], behind = frame, np.concatenate([frame] * stack, -1)
            stacks[number] = behind
        ages = np.where(over | cut, 0, ages + 1)
        frames = after
    return buffer, plain


@pytest.mark.parametrize(
    ("stack", "n_step", "rows", "prioritized"),
    [(*each, prioritized) for each in itertools.product((1, 3), (1, 3), (17, 200)) for prioritized in (0.0, 0.6)],
)
def test_transitions_are_those_of_a_list_of_whole_ones(stack, n_step, rows, prioritized):
    buffer, plain = filled(rows, stack=stack, n_step=n_step, prioritized=prioritized)
    numbers = (np.arange(4000) + 0.5) / 4000
    drawn = buffer.draw(numbers)
    seen = set()
    for place in range(0, 4000, 7):
        row_in_ring, number = divmod(int(drawn.places[place]), 2)
        (row,) = (
            row for row in range(buffer.head - n_step - buffer.drawable, buffer.head - n_step)
            if row % buffer.capacity == row_in_ring
        )  # fmt: skip
        observation, action, total, discount, after = plain[number].transition(row)
        assert np.array_equal(drawn.observations[place], observation)
        assert drawn.actions[place] == action
        assert drawn.returns[place] == pytest.approx(total, abs=1e-5)
        assert drawn.discounts[place] == pytest.approx(discount)
        if discount:
            assert np.array_equal(drawn.next_observations[place], after)
        seen.add((row, number))
    assert len(seen) == 2 * buffer.drawable  # each of them, as often as the others
    counts = np.unique(drawn.places, return_counts=True)[1]
    assert counts.max() - counts.min() <= 1


def test_a_million_frames_of_84_pixels_take_less_than_7_5_gib():
    size = 1_000_000
    buffer = ReplayBuffer(size, shape=(84, 84, 1), environments=8, stack=4, n_step=3, spare=50_008)  # lazily zero
    assert buffer.nbytes < 7.5 * 2**30
    assert buffer.rows * 8 >= size


def test_what_was_written_after_a_checkpoint_leaves_its_rows_whole(tmp_path):
    buffer, _ = filled(3000, folder=tmp_path, size=2000, spare=100)
    buffer.flush()
    head, numbers = buffer.head, np.linspace(0, 0.999, 300)
    before = buffer.draw(numbers)
    ones = np.ones(2)
    for _ in range(50):
        buffer.add(np.full((2, *SHAPE), 9, np.uint8), ones, ones, ones < 0, ones < 0, ones)
    again = ReplayBuffer(
        2000, shape=SHAPE, environments=2, discount=0.9, spare=100, folder=tmp_path, resume=True
    )  # as after a kill
    again.restore(head)
    again.cut_short = buffer.cut_short
    for one, other in zip(before, again.draw(numbers), strict=True):
        assert one is None or np.array_equal(one, other)


def test_a_damaged_file_of_the_buffer_is_found(tmp_path):
    buffer, _ = filled(3000, folder=tmp_path, size=6000)
    buffer.flush()
    with (tmp_path / "frames.bin").open("r+b") as file:
        file.seek(1500 * 12)
        byte = file.read(1)
        file.seek(1500 * 12)
        file.write(bytes([byte[0] ^ 1]))
    again = ReplayBuffer(6000, shape=SHAPE, environments=2, discount=0.9, folder=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match=r"damaged \(rows 1,024 to 2,048\)"):
        again.restore(3000)
    (tmp_path / "actions.bin").write_bytes(b"short")
    with pytest.raises(CheckpointError, match="has 5 bytes and should have"):
        ReplayBuffer(6000, shape=SHAPE, environments=2, discount=0.9, folder=tmp_path, resume=True)


def test_places_are_drawn_in_proportion_to_their_priorities_and_a_tree_built_again_is_the_same():
    tree = Priorities(50, alpha=0.5)
    tree.add(np.arange(50))
    errors = np.random.default_rng(0).random(50)
    tree.update(np.arange(50), errors)
    wanted = np.sqrt(errors + 1e-3)
    wanted /= wanted.sum()
    places, weights = tree.draw((np.arange(200_000) + 0.5) / 200_000, 0.7, 50)
    assert np.bincount(places, minlength=50) / 200_000 == pytest.approx(wanted, abs=1e-4)
    ideal = (50 * wanted) ** -0.7
    assert weights == pytest.approx((ideal / ideal.max())[places], rel=1e-4)
    tree.remove(np.arange(10))
    assert tree.draw(np.linspace(0, 0.9999, 100), 1.0, 40)[0].min() == 10
    again = Priorities(50, alpha=0.5)
    again.restore(tree.leaves(), tree.largest)
    assert np.array_equal(again.tree, tree.tree)
