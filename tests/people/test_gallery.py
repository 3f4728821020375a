import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError, DataError, UnknownNameError
from longspan.people.gallery import Gallery
from longspan.people.robust import normalised

DIM = 128
MODEL = "some network 0123"


def person(seed, count=1, spread=0.05):
    """Unit vectors of somebody: around a direction of their own."""
    rng = np.random.default_rng(seed)
    return normalised(normalised(rng.normal(size=(1, DIM))) + rng.normal(0, spread, (count, DIM)))


@pytest.fixture
def gallery(tmp_path):
    with Gallery.create(tmp_path / "g.sqlite", model=MODEL, dim=DIM, threshold=0.5) as gallery:
        yield gallery


def test_people_are_enrolled_found_updated_and_removed(gallery):
    photos = {name: person(seed, 4) for seed, name in enumerate(("Ada", "Alan", "Grace"))}
    for name, rows in photos.items():
        enrolled = gallery.enrol(name, rows[:3])
        assert (enrolled.taken, enrolled.refused, enrolled.conflicts) == (3, (), ())
    assert [each.name for each in gallery.people] == ["Ada", "Alan", "Grace"]
    for name, rows in photos.items():
        assert gallery.identify(rows[3]).name == name
    stranger = gallery.identify(person(99)[0])
    assert stranger.name is None
    assert "nobody enrolled is similar enough" in stranger.reason
    assert gallery.update("Ada", photos["Ada"][3:]).person.entries == 4
    removal = gallery.remove("ada")
    assert (removal.entries, removal.people_left, len(gallery)) == (4, 2, 2)
    assert gallery.identify(photos["Ada"][0]).name is None
    assert [entry["action"] for entry in gallery.log()] == ["created"] + ["enrolled"] * 3 + ["updated", "removed"]
    with pytest.raises(UnknownNameError, match="Did you mean 'Grace'"):
        gallery.remove("Grase")


def test_nothing_of_somebody_who_was_removed_is_in_the_file(tmp_path):
    path = tmp_path / "g.sqlite"
    with Gallery.create(path, model=MODEL, dim=DIM, threshold=0.5) as gallery:
        for seed in range(30):
            gallery.enrol(f"person {seed}", person(seed, 3))
        vectors = [vector.astype("<f4").tobytes() for vector in person(7, 3)]
        before = path.read_bytes()
        assert all(vector in before for vector in vectors)
        assert b"person 7" in before
        gallery.remove("person 7")
    after = path.read_bytes()
    assert not any(vector in after for vector in vectors)
    assert not any(vector[:24] in after for vector in vectors)
    assert b"person 7" not in after
    assert os.listdir(tmp_path) == ["g.sqlite"]
    Gallery.open(path).check()


def test_search_is_that_of_a_matrix_product(gallery):
    for seed in range(40):
        gallery.enrol(f"p{seed}", person(seed))
    probes = person(1000, 5, 1.0)
    scores = probes @ gallery.means.T
    for row, found in zip(scores, gallery.search(probes, 3), strict=True):
        order = np.argsort(-row)[:3]
        assert [match.name for match in found] == [f"p{i}" for i in order]
        np.testing.assert_allclose([match.similarity for match in found], row[order], rtol=1e-5)
    assert gallery.search(probes[:1], 100)[0][-1].similarity == pytest.approx(scores[0].min(), rel=1e-5)


def test_an_empty_gallery_knows_nobody(gallery):
    assert gallery.identify(person(0)[0]).to_json() == {
        "name": None,
        "similarity": -1.0,
        "reason": "nobody is enrolled",
    }
    assert gallery.search(person(0)) == [[]]


def test_two_who_are_about_equally_similar_are_unknown(tmp_path):
    with Gallery.create(tmp_path / "g", model=MODEL, dim=DIM, threshold=0.3, margin=0.1) as gallery:
        one = person(0)[0]
        twin = normalised((one + 0.02 * person(1)[0])[None])[0]
        gallery.enrol("one", one[None])
        gallery.enrol("twin", twin[None], allow_conflict=True)
        assert gallery.identify(one).name is None
        assert "two people" in gallery.identify(one).reason


def test_the_same_person_under_two_names_is_told(gallery):
    gallery.enrol("Ada", person(0, 3))
    with pytest.raises(DataError, match="'Lovelace' is too similar to 'Ada'"):
        gallery.enrol("Lovelace", person(0, 2))
    assert len(gallery) == 1
    twin = gallery.enrol("Lovelace", person(0, 2), allow_conflict=True)
    assert twin.conflicts[0].name == "Ada"
    with pytest.raises(DataError, match="enrolled already"):
        gallery.enrol("ADA", person(5))


def test_one_bad_photo_does_not_take_over(gallery):
    rows = np.concatenate([person(0, 4), person(50, 1)])
    enrolled = gallery.enrol("Ada", rows)
    assert (enrolled.taken, enrolled.refused) == (4, ("photo 5 does not show the person of the others",))
    with pytest.raises(DataError, match="do not show one person"):
        gallery.enrol("two", np.concatenate([person(1), person(2)]))
    with pytest.raises(DataError, match="None of the 2 photos is like 'Ada'"):
        gallery.update("Ada", person(60, 2))
    added = gallery.update("Ada", np.concatenate([person(0, 1), person(60, 1)]))
    assert (added.taken, added.refused) == (1, ("photo 2 is not like Ada",))
    assert gallery.identify(person(60)[0]).name is None


def test_vectors_of_another_network_are_refused(gallery, tmp_path):
    with pytest.raises(DataError, match="vectors of some network 0123, and these are of other 4567"):
        Gallery.open(tmp_path / "g.sqlite", model="other 4567")
    with pytest.raises(DataError, match="vectors of 128 numbers, got 1 of 127"):
        gallery.enrol("Ada", np.ones((1, 127)))
    for bad in (np.zeros((1, DIM)), np.full((1, DIM), np.nan)):
        with pytest.raises(DataError, match="Vectors of people are expected"):
            gallery.identify(bad[0])


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 300, 7])
def test_names_that_cannot_be(gallery, name):
    with pytest.raises(DataError, match="A name is a word"):
        gallery.enrol(name, person(0))


def test_settings_that_cannot_be(tmp_path):
    for options, words in (({"dim": 1}, "dim"), ({"threshold": 2}, "threshold"), ({"margin": -1}, "margin")):
        with pytest.raises(ConfigError, match=words):
            Gallery.create(tmp_path / "x", **{"model": "m", "dim": 4, "threshold": 0.5, **options})
    assert os.listdir(tmp_path) == []


def test_files_that_are_no_galleries(tmp_path, gallery):
    with pytest.raises(DataError, match="There is no gallery"):
        Gallery.open(tmp_path / "nowhere")
    (tmp_path / "text").write_text("hello, this is no database, and long enough to be looked at" * 9)
    with pytest.raises(DataError, match="is not a gallery, is damaged"):
        Gallery.open(tmp_path / "text")
    sqlite3.connect(tmp_path / "other").execute("create table settings (name text, value text)").connection.close()
    with pytest.raises(DataError, match="not a gallery of longspan"):
        Gallery.open(tmp_path / "other")
    with pytest.raises(ConfigError, match="exists already"):
        Gallery.create(tmp_path / "text", model="m", dim=4, threshold=0.5)


def test_damage_is_found(tmp_path, gallery):
    for seed in range(40):
        gallery.enrol(f"p{seed}", person(seed, 3))
    gallery.check()
    gallery.close()
    content = (tmp_path / "g.sqlite").read_bytes()
    refused = 0
    for place in range(5000, len(content), len(content) // 12):
        (tmp_path / "damaged").write_bytes(content[:place] + b"\xff" * 700 + content[place + 700 :])
        try:
            with Gallery.open(tmp_path / "damaged") as damaged:
                damaged.check()
        except DataError:
            refused += 1
    assert refused >= 8, "damage inside of a vector alone cannot be seen"
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="damaged"), Gallery.open(tmp_path / "cut") as cut:
        cut.check()


def test_a_changed_log_shows(tmp_path, gallery):
    gallery.enrol("Ada", person(0))
    gallery.enrol("Alan", person(1))
    other = sqlite3.connect(tmp_path / "g.sqlite")
    other.execute("update log set action = 'updated' where id = 2")
    other.commit()
    other.close()
    with pytest.raises(DataError, match="entry 2 of the log was changed"):
        gallery.log()


def test_a_second_process_sees_what_the_first_changes(tmp_path, gallery):
    with Gallery.open(tmp_path / "g.sqlite") as other:
        gallery.enrol("Ada", person(0, 3))
        assert other.identify(person(0)[0]).name == "Ada"
        other.remove("Ada")
        assert gallery.identify(person(0)[0]).name is None


def test_threads_do_not_meet(gallery):
    faults = []

    def work(number):
        try:
            for turn in range(5):
                gallery.enrol(f"{number}-{turn}", person(100 * number + turn))
                gallery.identify(person(number)[0])
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(gallery) == 20
    gallery.check()


def test_it_is_a_stage_of_a_pipeline(gallery, tmp_path):
    gallery.enrol("Ada", person(0, 3))
    pipeline = ls.Pipeline([ls.Stage("who", gallery, reads="vector", adds="person")])
    known, stranger = pipeline.predict([{"vector": person(0)[0].tolist()}, {"vector": person(9)[0].tolist()}])
    assert known["person"]["name"] == "Ada"
    assert stranger["person"]["name"] is None
    again = ls.load(pipeline.save(tmp_path / "p.safetensors"), functions={"who": gallery})
    assert again.predict([{"vector": person(0)[0].tolist()}])[0]["person"]["name"] == "Ada"


def test_the_threshold_can_be_set(gallery, tmp_path):
    gallery.enrol("Ada", person(0, 3))
    gallery.set_threshold(0.999)
    assert gallery.identify(person(0, 1, 0.3)[0]).name is None
    with Gallery.open(tmp_path / "g.sqlite") as again:
        assert again.threshold == 0.999
    assert gallery.log()[-1]["threshold"] == 0.999


# --- encryption ------------------------------------------------------------------------------------------------------


def test_an_encrypted_file_shows_neither_names_nor_vectors(tmp_path):
    pytest.importorskip("cryptography")
    from longspan.people.gallery_file import make_key

    key, other = make_key(tmp_path / "key"), make_key(tmp_path / "other")
    assert key.stat().st_mode & 0o077 == 0
    path = tmp_path / "g.sqlite"
    with Gallery.create(path, model=MODEL, dim=DIM, threshold=0.5, key_file=key) as gallery:
        gallery.enrol("Ada", person(0, 3), qualities=[{"sharpness": 123.456}] * 3)
        content = path.read_bytes()
        assert b"Ada" not in content
        assert b"123.456" not in content
        assert person(0, 3)[0].astype("<f4").tobytes() not in content
    with Gallery.open(path, key_file=key) as gallery:
        assert gallery.identify(person(0)[0]).name == "Ada"
        assert gallery.remove("Ada").people_left == 0
    with pytest.raises(ConfigError, match="is encrypted: give the file of its key"):
        Gallery.open(path)
    with pytest.raises(ConfigError, match="encrypted with another key"):
        Gallery.open(path, key_file=other)
    (tmp_path / "short").write_text("abc")
    with pytest.raises(ConfigError, match="holds no key"):
        Gallery.open(path, key_file=tmp_path / "short")
    with pytest.raises(ConfigError, match="exists already"):
        make_key(key)
    plain = tmp_path / "plain"
    Gallery.create(plain, model=MODEL, dim=DIM, threshold=0.5).close()
    with pytest.raises(ConfigError, match="is not encrypted"):
        Gallery.open(plain, key_file=key)


# --- killed ----------------------------------------------------------------------------------------------------------

ENROLLING = """
import sys
sys.path.insert(0, {tests!r})
from test_gallery import person
from longspan.people.gallery import Gallery
gallery = Gallery.open({path!r})
for number in range(int(sys.argv[1]), 100000):
    gallery.enrol(f"p{{number}}", person(number, 3))
    print(number, flush=True)
    if number % 4 == 3:
        gallery.remove(f"p{{number}}")
        print(-number, flush=True)
"""


def killed(path, times, tests):
    """Enrol and remove in another process that is killed again and again; nothing that it said may be untrue."""
    there, random, start = set(), np.random.default_rng(0), 0
    for _ in range(times):
        code = ENROLLING.format(tests=tests, path=str(path))
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(start)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        said = [int(process.stdout.readline())]  # pyright: ignore
        time.sleep(float(random.uniform(0, 0.15)))
        os.kill(process.pid, signal.SIGKILL)
        said += [int(line) for line in process.stdout.read().split()]  # pyright: ignore
        process.wait()
        process.stdout.close()  # pyright: ignore
        with Gallery.open(path) as gallery:
            gallery.check()
            people = {each.name: each.entries for each in gallery.people}
        for number in said:
            (there.discard if number < 0 else there.add)(abs(number))
        # The last change may have been written without being said.
        unsaid = {int(name[1:]) for name in people} ^ there
        assert unsaid <= {abs(said[-1]), abs(said[-1]) + 1}
        assert set(people.values()) <= {3}, "nobody is half enrolled"
        there = {int(name[1:]) for name in people}
        start = max(abs(each) for each in said) + 2
    return there


def test_a_killed_process_loses_nothing(gallery, tmp_path):
    assert len(killed(tmp_path / "g.sqlite", 2, os.path.dirname(__file__))) >= 2


@pytest.mark.slow  # 50 processes that import PyTorch
def test_killed_fifty_times(gallery, tmp_path):
    assert len(killed(tmp_path / "g.sqlite", 50, os.path.dirname(__file__))) >= 50


# --- index -----------------------------------------------------------------------------------------------------------


def test_an_index_finds_what_exact_search_finds(gallery):
    pytest.importorskip("usearch")
    from longspan.people.gallery_index import ApproximateIndex

    for seed in range(200):
        gallery.enrol(f"p{seed}", person(seed))
    exact = gallery.search(person(500, 20, 1.0))
    index = ApproximateIndex()
    gallery.use_index(index)
    assert index.recall > 0.98  # pyright: ignore
    found = gallery.search(person(500, 20, 1.0))
    assert np.mean([a[0].name == b[0].name for a, b in zip(exact, found, strict=True)]) > 0.9
    assert found[0][0].similarity == pytest.approx(exact[0][0].similarity, abs=1e-5)
    gallery.remove("p7")
    assert gallery.identify(person(7)[0]).name is None
    assert json.dumps(gallery.identify(person(8)[0]).to_json())


def test_recall_is_measured_on_probes_as_far_away_as_photos(gallery):
    pytest.importorskip("usearch")
    from longspan.people.gallery_index import ApproximateIndex

    rng = np.random.default_rng(0)
    people = rng.normal(size=(3000, 64)).astype(np.float32)
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    # A poor index finds vectors that are enrolled, not photos with a cosine of 0.55 to their person.
    near, far = ApproximateIndex(neighbours=4, effort=8, probe_noise=0), ApproximateIndex(neighbours=4, effort=8)
    near.build(people)
    far.build(people)
    noise = rng.normal(size=people.shape)
    photos = people + 1.5 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    photos = (photos / np.linalg.norm(photos, axis=1, keepdims=True)).astype(np.float32)
    missed = np.mean(far.search(photos, 1)[1][:, 0] != (photos @ people.T).argmax(1))
    assert near.recall is not None
    assert far.recall == pytest.approx(1 - missed, abs=0.1)
    assert far.recall < near.recall - 0.1
