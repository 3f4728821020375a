"""The first Ctrl-C is noted, the second is the usual one; other handlers, and threads, are left alone."""

import os
import signal
import threading

import pytest

from longspan.train.protection.interrupt import interrupts_noted

pytestmark = pytest.mark.usefixtures("ctrl_c_is_heard")


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def block(seen, interrupts, error=None):
    """Runs with so many interrupts, and puts down whether one was noted after each."""
    with interrupts_noted() as noted:
        seen.append(noted())
        for _ in range(interrupts):
            interrupt()
            seen.append(noted())
        if error is not None:
            raise error


def test_the_first_is_noted_and_said_and_ends_the_block_at_the_latest(capfd):
    seen = []
    with pytest.raises(KeyboardInterrupt):
        block(seen, 1)
    assert seen == [False, True]
    assert "Stopping after this step, with a checkpoint. Ctrl-C again stops at once." in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_ends_it_where_it_is():
    seen = []
    with pytest.raises(KeyboardInterrupt):
        block(seen, 3)
    assert seen == [False, True]


def test_without_one_nothing_happens_and_other_errors_pass():
    seen = []
    block(seen, 0)
    assert seen == [False]
    with pytest.raises(ValueError, match="other"):
        block(seen, 1, ValueError("other"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_programs_own_and_threads_keep_theirs():
    caught = []
    before = signal.signal(signal.SIGINT, lambda *_: caught.append(1))
    try:
        with interrupts_noted() as noted:
            interrupt()
            assert not noted()
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught == [1]

    def elsewhere():
        with interrupts_noted() as noted:
            caught.append(noted())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert caught == [1, False]
