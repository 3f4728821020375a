import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError, LongspanError
from longspan.systems import SystemRun, find_system
from longspan.systems.function_registry import load_with_functions
from longspan.systems.spoken.find_spoken_digits import RATE_HZ, cut_out_at_16_khz, cut_out_digit, find_spoken_digits
from longspan.systems.spoken.phonemes import SOUNDS, digits_of_phonemes, phonemes_of_number
from longspan.systems.spoken.spoken_numbers import SpokenNumbersOptions, spoken_task
from longspan.systems.spoken.strategies import END_TO_END, FROM_PHONEMES, MIDDLE, STAGED, spoken_strategies


@pytest.fixture(scope="module")
def digits():
    """Digits are chords, the same for both voices but for their pitch."""
    cells = {"audio": [], "digit": [], "speaker": []}
    rng = np.random.default_rng(0)
    for speaker, factor in (("ann", 1.0), ("bob", 1.05)):
        for digit in range(3):
            for _ in range(3):
                times = np.arange(round(rng.uniform(0.3, 0.4) * RATE_HZ)) / RATE_HZ
                tone = np.sin(2 * np.pi * factor * (400 + 600 * digit) * times)
                cells["audio"].append((0.2 * tone).astype(np.float32))
                cells["digit"].append(str(digit))
                cells["speaker"].append(speaker)
    return ls.Table.from_arrays(
        cells, {"audio": ls.Audio(rate_hz=RATE_HZ), "digit": ls.Category(), "speaker": ls.Category()}
    )


@pytest.fixture(scope="module")
def task(digits):
    task = spoken_task(16, 50, 0, held_out=("bob",), digits=digits)
    task.prepare()
    return task


def test_no_voice_is_on_both_sides(task):
    speakers = np.array(task.table["speaker"])
    assert set(speakers[task.train.numpy()]) == {"ann"}
    assert set(speakers[task.split.vault.rows_for_leak_check()]) == {"bob"}


def test_digits_are_found_where_they_are(task):
    right = 0
    for row in task.table:
        found = find_spoken_digits(row["audio"])
        right += len(found) == len(row["spans"]) and np.abs(np.subtract(found, row["spans"])).max() < 0.06
    assert right > 0.8 * len(task.table)


def test_two_digits_without_a_pause_are_cut_where_they_are_quietest():
    times = np.arange(RATE_HZ) / RATE_HZ
    loudness = np.clip(np.abs(times - 0.45) / 0.1, 0.15, 1.0)  # quiet at 0.45 s, not silent
    samples = np.zeros(2 * RATE_HZ, np.int16)
    samples[:RATE_HZ] = (8000 * loudness * np.sin(2 * np.pi * 500 * times)).astype(np.int16)
    (one, middle), (again, end) = find_spoken_digits(samples)
    assert one == pytest.approx(0, abs=0.03)
    assert middle == again == pytest.approx(0.45, abs=0.03)
    assert end == pytest.approx(1.0, abs=0.03)
    assert find_spoken_digits(np.zeros(4000, np.int16)) == []


def test_cuts_hold_the_span():
    samples = np.arange(8000, dtype=np.int16)
    assert cut_out_digit(samples, [0.5, 0.6])[[0, -1]].tolist() == [3680, 5119]
    assert len(cut_out_digit(samples, [2.0, 2.1])) == 800  # behind the end: the last 0.1 s
    assert len(cut_out_at_16_khz(samples, [0.5, 0.6])) == 2 * 1440


def test_phonemes_of_digits_spell_them_and_bear_mistakes():
    number = "9876543210"
    assert digits_of_phonemes(phonemes_of_number({}, {"number": number})) == number
    assert digits_of_phonemes("sEvAnetwA") == "781"
    assert digits_of_phonemes("sEvnfYvm") == "75"
    assert digits_of_phonemes("") == ""
    assert len({sounds[0] for sounds in SOUNDS.values()}) == 10


@pytest.mark.parametrize("name", [STAGED, MIDDLE, END_TO_END, FROM_PHONEMES])
def test_every_strategy_trains_within_its_budget_reads_and_is_saved(task, name, tmp_path):
    strategy = spoken_strategies()[name]
    trained = strategy.train(task.subset(task.train), seed=1, budget=ls.Budget(steps=4))
    assert 1 <= trained.steps_done <= 12
    test = task.table.take(range(16, 22)).select("audio")
    numbers = [each["number"] for each in trained.predict(test)]
    assert all(set(number) <= set("0123456789") for number in numbers)
    again = load_with_functions(trained.save(tmp_path / "model.safetensors"))
    assert [each["number"] for each in again.predict(test)] == numbers


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sizes": "5"}, "at least 20"),
        ({"steps": 0}, "--steps must be at least 1"),
        ({"strategies": "end too end"}, "Did you mean 'end to end'"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(LongspanError, match=words):
        SpokenNumbersOptions(**wrong)


def test_speakers_that_cannot_be_held_out(digits):
    with pytest.raises(LongspanError, match="Did you mean 'bob'"):
        spoken_task(20, 20, 0, held_out=("bobb",), digits=digits)
    with pytest.raises(ConfigError, match="leaves no speaker"):
        spoken_task(20, 20, 0, held_out=("ann", "bob"), digits=digits)


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
def test_the_system_runs(tmp_path):
    options = SpokenNumbersOptions(
        sizes="20,40", seeds=2, steps=4, recordings=50, jobs=1, strategies="in stages;by phonemes;end to end"
    )
    find_system("spoken-numbers").run(options, SystemRun("spoken-numbers", tmp_path, quiet=True))
    results = ls.Study.open(tmp_path / "study.sqlite")
    assert results.failures().is_empty()
    assert len(results.frame()) == 3 * 2 * 2
    assert "Ceiling analysis: in stages" in (tmp_path / "report.html").read_text()
