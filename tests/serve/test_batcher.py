import threading

import pytest

from longspan.errors import DataError
from longspan.serve.batcher import Batcher
from longspan.serve.problem import Problem


def test_values_that_come_together_are_computed_together():
    sizes, gate = [], threading.Event()

    def predict(values):
        gate.wait(5)
        sizes.append(len(values))
        return [-value for value in values]

    batcher = Batcher(predict, max_batch=4, wait_ms=0)
    futures = [batcher.submit(number) for number in range(9)]
    gate.set()
    assert [future.result(5) for future in futures] == [-number for number in range(9)]
    assert max(sizes) == 4
    assert sum(sizes) == 9
    batcher.close()


def test_a_value_that_cannot_be_read_fails_alone():
    def predict(values):
        if 3 in values:
            raise DataError("three")
        return values

    batcher = Batcher(predict, wait_ms=50)
    futures = [batcher.submit(number) for number in range(5)]
    assert [futures[number].result(5) for number in (0, 1, 2, 4)] == [0, 1, 2, 4]
    with pytest.raises(DataError, match="three"):
        futures[3].result(5)
    batcher.close()


def test_one_by_one_nobody_waits_and_after_several_a_batch_waits_for_more():
    sizes, gate, begun = [], threading.Event(), threading.Event()

    def predict(values):
        begun.set()
        gate.wait(5)
        sizes.append(len(values))
        return values

    batcher = Batcher(predict, max_batch=2, wait_ms=60_000)
    first = batcher.submit(0)
    assert begun.wait(5)
    several = [batcher.submit(number) for number in (1, 2)]
    gate.set()
    assert first.result(5) == 0  # at once, not after a minute
    assert [future.result(5) for future in several] == [1, 2]
    late = batcher.submit(3)
    with pytest.raises(TimeoutError):
        late.result(0.1)
    assert batcher.submit(4).result(5) == 4
    assert late.result(5) == 3
    assert sizes == [1, 2, 2]
    batcher.close()


def test_wrong_number_of_predictions_reaches_every_caller():
    batcher = Batcher(lambda values: values[1:], wait_ms=20)
    with pytest.raises(ValueError, match="shorter"):
        batcher.submit(1).result(5)
    batcher.close()


def test_what_waits_is_computed_when_it_is_told_to_stop():
    gate = threading.Event()

    def predict(values):
        gate.wait(5)
        return values

    batcher = Batcher(predict, max_batch=2, wait_ms=0)
    futures = [batcher.submit(number) for number in range(7)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    gate.set()
    closing.join(5)
    assert [future.result(0) for future in futures] == list(range(7))
    with pytest.raises(Problem) as caught:
        batcher.submit(1)
    assert caught.value.status == 503


def test_cancelled_values_are_left_out():
    seen, gate = [], threading.Event()

    def predict(values):
        gate.wait(5)
        seen.extend(values)
        return values

    batcher = Batcher(predict, max_batch=1, wait_ms=0)
    first, second = batcher.submit("first"), batcher.submit("second")
    assert second.cancel()
    gate.set()
    first.result(5)
    batcher.close()
    assert seen == ["first"]


def test_several_threads_compute_at_once_and_share_what_waits():
    sizes, barrier = [], threading.Barrier(2)

    def predict(values):
        barrier.wait(5)  # broken, and an error of every caller, unless two threads compute at once
        sizes.append(len(values))
        return values

    batcher = Batcher(predict, threads=2, share=0.25)
    futures = [batcher.submit(number) for number in range(2)]
    assert [future.result(5) for future in futures] == [0, 1]
    assert sizes == [1, 1]
    batcher.close()


def test_a_batch_takes_its_share_of_what_waits():
    sizes, gate, begun = [], threading.Event(), threading.Event()

    def predict(values):
        begun.set()
        gate.wait(5)
        sizes.append(len(values))
        return values

    batcher = Batcher(predict, max_batch=5, wait_ms=60_000, share=0.25)
    first = batcher.submit(0)
    assert begun.wait(5)
    rest = [batcher.submit(number) for number in range(1, 41)]
    gate.set()
    assert [future.result(5) for future in [first, *rest]] == list(range(41))
    assert sizes[:6] == [1, 5, 5, 5, 5, 5]  # of 40, 35, 30, 25 and 20
    assert sizes[-4:] == [1, 1, 1, 1]  # of 4, 3, 2 and 1: nobody waits for more
    batcher.close()


def test_values_are_read_and_results_written_in_its_thread():
    def read(value):
        if value == 2:
            raise Problem(422, "two")
        return -value

    def write(value, prediction):
        return value, prediction, threading.current_thread().name

    batcher = Batcher(lambda values: [10 * value for value in values])
    futures = [batcher.submit(number, read=read, write=write) for number in range(4)]
    assert [futures[number].result(5) for number in (0, 1, 3)] == [(-n, -10 * n, "longspan batches") for n in (0, 1, 3)]
    with pytest.raises(Problem, match="two"):
        futures[2].result(5)
    batcher.close()
