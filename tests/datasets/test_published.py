"""Each reader reads the published layout: tiny archives in that layout, served on this machine."""

import dataclasses
import gzip
import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from longspan import datasets
from longspan.datasets.camvid import _COLOURS, _GROUPS
from longspan.datasets.fetching.fetch import fetch_dataset
from longspan.errors import ChecksumError, DataError


def image(pixels, kind="PNG", **options):
    file = io.BytesIO()
    PillowImage.fromarray(np.asarray(pixels, np.uint8)).save(file, kind, **options)
    return file.getvalue()


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def read(places, server, kit):
    """The table of a set whose files are `contents` at its addresses."""

    def read_published(name, contents, layout=None, position=0):
        data = kit.published_at(datasets.info(name), server, contents, layout, position)
        fetched = fetch_dataset(data)
        return fetched.source.load(fetched.folder)

    return read_published


@pytest.mark.parametrize(
    ("name", "label", "classes"),
    [
        ("mnist", "digit", [7, 2]),
        ("fashion-mnist", "label", ["Sneaker", "Pullover"]),
        ("kmnist", "label", ["ya", "su"]),
    ],
)
def test_idx_files(read, name, label, classes):
    def idx(array):
        header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        return gzip.compress(header + array.tobytes())

    pixels = noise(4, 28, 1)[..., 0].reshape(2, 2, 28)
    contents = {
        f"{name}/{stem}-{kind}-ubyte.gz": idx(array)
        for stem in ("train", "t10k")
        for kind, array in (("images-idx3", pixels), ("labels-idx1", np.array([7, 2], np.uint8)))
    }
    table = read(name, contents)
    assert table.column_values(label) == classes * 2
    assert table.column_values("part") == ["train"] * 2 + ["test"] * 2
    assert np.array_equal(table[3]["image"], pixels[1])


def test_cifar10_binary(read, kit):
    # A record: the class, then 1,024 bytes of red, of green and of blue, row by row.
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    red, green, blue = (np.arange(1024, dtype=np.uint16).reshape(32, 32) * step % 251 for step in (1, 3, 7))
    record = bytes([9]) + b"".join(plane.astype(np.uint8).tobytes() for plane in (red, green, blue))
    members = {f"cifar-10-batches-bin/data_batch_{n}.bin": record * 2 for n in range(1, 6)}
    members["cifar-10-batches-bin/test_batch.bin"] = bytes([3]) + record[1:]
    members["cifar-10-batches-bin/batches.meta.txt"] = ("\n".join(names) + "\n\n").encode()
    table = read("cifar10", {"cifar-10-binary.tar.gz": kit.tar_gz(members)})
    assert table.column_values("label") == ["truck"] * 10 + ["cat"]
    assert table.column_values("part") == ["train"] * 10 + ["test"]
    pixels = table[0]["image"]
    assert pixels.shape == (32, 32, 3)
    assert pixels[5, 7].tolist() == [red[5, 7], green[5, 7], blue[5, 7]]


def test_cifar10_cut_in_a_record(read, kit):
    members = {f"cifar-10-batches-bin/data_batch_{n}.bin": bytes(3072) for n in range(1, 6)}
    members |= {"cifar-10-batches-bin/test_batch.bin": b"", "cifar-10-batches-bin/batches.meta.txt": b"airplane\n"}
    with pytest.raises(DataError, match=r"data_batch_1\.bin has 3,072 bytes, which is not a whole number of records"):
        read("cifar10", {"cifar-10-binary.tar.gz": kit.tar_gz(members)})


def test_cifar10_as_png_of_fastai(read, kit):
    members = {"cifar10/train/cat/1_cat.png": image(noise(32, 32)), "cifar10/test/dog/2_dog.png": image(noise(32, 32))}
    members |= {"cifar10/labels.txt": b"cat\ndog\n"}
    table = read("cifar10", {"cifar10.tgz": kit.tar_gz(members)}, layout=(1, 1), position=1)
    assert dict(zip(table.column_values("label"), table.column_values("part"), strict=True)) == {
        "cat": "train",
        "dog": "test",
    }


def test_cifar100_binary(read, kit):
    record = bytes([1, 2]) + bytes(3072)
    folder = "cifar-100-binary"
    members = {
        f"{folder}/train.bin": record * 3,
        f"{folder}/test.bin": bytes([0, 0]) + bytes(3072),
        f"{folder}/coarse_label_names.txt": b"fish\nflowers\n",
        f"{folder}/fine_label_names.txt": b"apple\naquarium_fish\nbaby\n",
    }
    table = read("cifar100", {"cifar-100-binary.tar.gz": kit.tar_gz(members)})
    assert table.column_values("superclass") == ["flowers"] * 3 + ["fish"]
    assert table.column_values("label") == ["baby"] * 3 + ["apple"]


def test_camvid_of_fastai(read, kit):
    old = sorted(each for group in _GROUPS.values() for each in group)
    assert len(old) == 32
    numbers = np.tile(np.arange(32, dtype=np.uint8), (4, 1))
    stems = ["0001TP_006690", "0001TP_008550", "0016E5_07959", "0016E5_08159", "0016E5_08190", "Seq05VD_f02370"]
    members = {"camvid/codes.txt": "\n".join(old).encode(), "camvid/valid.txt": b"0016E5_07959.png"}
    for stem in stems:
        members[f"camvid/images/{stem}.png"] = image(noise(4, 32))
        members[f"camvid/labels/{stem}_P.png"] = image(numbers)
    table = read("camvid", {"camvid.tgz": kit.tar_gz(members)}, layout=(6, 6))
    assert table.column_values("part") == ["train", "test", "valid", "valid", "train", "test"]
    column = table.columns["mask"]
    assert column.vocab == tuple(_COLOURS)[:11]
    classes = column.classes(table[0]["mask"])
    for number, name in enumerate(old):
        expected = next(group for group, members in _GROUPS.items() if name in members)
        found = classes[0, number]
        assert (column.vocab[found] if found < 255 else "Unlabelled") == expected


def test_camvid_with_a_number_beyond_the_classes(read, kit):
    members = {
        "camvid/codes.txt": b"Road\nSky",
        "camvid/images/0001TP_006690.png": image(noise(2, 2)),
        "camvid/labels/0001TP_006690_P.png": image(np.full((2, 2), 2)),
    }
    with pytest.raises(DataError, match=r"006690_P\.png does not hold class numbers from 0 to 1"):
        read("camvid", {"camvid.tgz": kit.tar_gz(members)}, layout=(1, 1))
    members["camvid/codes.txt"] = b"Road\nStreet"
    with pytest.raises(DataError, match=r"codes\.txt names classes that CamVid does not have: Street"):
        read("camvid", {"camvid.tgz": kit.tar_gz(members)}, layout=(1, 1))


def test_camvid_parts_are_those_of_segnet(data_folder, places, monkeypatch):
    from longspan.datasets.camvid import _part

    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    table = datasets.load("camvid", tell=lambda line: None)
    stems = [path.rpartition("/")[2][:-4] for path in table.column_values("image")]
    assert [_part(stem) for stem in stems] == table.column_values("part")


_VOC = """<annotation><filename>{name}.jpg</filename><size><width>60</width><height>40</height><depth>3</depth></size>
<object><name>{label}</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>25</ymax></bndbox></object>
</annotation>"""


def test_pets_in_two_archives(read, kit):
    names = ["Abyssinian_1", "beagle_2", "beagle_3", "beagle_4"]
    images = {f"images/{name}.jpg": image(noise(40, 60), "JPEG") for name in names}
    images |= {"images/Abyssinian_1.mat": b"MATLAB", "images/._beagle_2.jpg": b"junk"}
    images["images/beagle_3.jpg"] = image(noise(40, 60), "PNG")  # as some published files are
    annotations = {
        "annotations/README": b"",
        "annotations/list.txt": b"#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\n",
        "annotations/trainval.txt": b"Abyssinian_1 1 1 1\nbeagle_2 5 2 1\n",
        "annotations/test.txt": b"beagle_3 5 2 1\n",
        "annotations/xmls/Abyssinian_1.xml": _VOC.format(name="Abyssinian_1", label="cat").encode(),
        "annotations/trimaps/._beagle_2.png": b"junk",
    }
    trimap = np.repeat([[1] * 20 + [2] * 20 + [3] * 20], 40, axis=0)
    annotations |= {f"annotations/trimaps/{name}.png": image(trimap) for name in names}
    table = read("pets", {"images.tar.gz": kit.tar_gz(images), "annotations.tar.gz": kit.tar_gz(annotations)})
    assert table.column_values("part") == ["train", "train", "test"]  # beagle_4 is in no list
    assert table.column_values("breed") == ["Abyssinian", "beagle", "beagle"]
    assert table.column_values("cat") == [True, False, False]
    assert [boxes and boxes[0]["box"] for boxes in table.column_values("head_box")] == [[10, 5, 30, 25], None, None]
    assert np.unique(table.columns["trimap"].classes(table[2]["trimap"])).tolist() == [0, 1, 2]


def test_penn_fudan_zip(read, kit):
    text = """# Compatible with PASCAL Annotation Version 1.00
Image filename : "PennFudanPed/PNGImages/FudanPed00001.png"
Image size (X x Y x C) : 60 x 40 x 3
Objects with ground truth : 1 { "PASpersonWalking" }
Bounding box for object 1 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : (11, 6) - (30, 25)
"""
    mask = np.zeros((40, 60))
    mask[5:25, 10:30] = 1
    members = {
        "PennFudanPed/readme.txt": b"",
        "PennFudanPed/added-object-list.txt": b"",
        "PennFudanPed/PNGImages/FudanPed00001.png": image(noise(40, 60)),
        "PennFudanPed/PedMasks/FudanPed00001_mask.png": image(mask),
        "PennFudanPed/Annotation/FudanPed00001.txt": text.encode(),
    }
    table = read("penn-fudan", {"PennFudanPed.zip": kit.zipped(members)}, layout=(1, 1, 1))
    assert table[0]["boxes"][0]["box"] == [10, 5, 30, 25]
    assert len(table[0]["instances"]) == 1


def test_penn_fudan_without_some_files_is_refused(read, kit):
    members = {"PennFudanPed/PNGImages/FudanPed00001.png": image(noise(40, 60))}
    with pytest.raises(ChecksumError, match=r"PedMasks/\*\.png: 0 files, 170 expected"):
        read("penn-fudan", {"PennFudanPed.zip": kit.zipped(members)})


def test_coco128_of_ultralytics(read, kit):
    members = {"coco128/LICENSE": b"", "coco128/README.txt": b""}
    for number in range(8):
        members[f"coco128/images/train2017/{number:012}.jpg"] = image(noise(40, 60), "JPEG")
    for number in range(7):
        members[f"coco128/labels/train2017/{number:012}.txt"] = b"79 0.5 0.5 0.5 0.25\n0 0.25 0.5 0.1 0.2\n"
    table = read("coco128", {"coco128.zip": kit.zipped(members)}, layout=(8, 7))
    assert len(table.columns["boxes"].vocab) == 80
    assert table[0]["boxes"][0] == {"box": [15, 15, 45, 25], "label": "toothbrush", "ignore": False}
    assert table[0]["boxes"][1]["label"] == "person"
    assert table[7]["boxes"] is None
    assert table.column_values("part") == ["train"] * 6 + ["valid"] * 2


def test_coco128_classes_are_those_of_its_own_list(data_folder, places, monkeypatch):
    from longspan.datasets.coco128 import _CLASSES

    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    table = datasets.load("coco128", tell=lambda line: None)
    assert table.columns["boxes"].vocab == tuple(_CLASSES.split(","))


def test_wider_face_in_three_zips(read, kit):
    def lines(name):
        # The second face has no width, as a few published ones.
        return (
            f"0--Parade/{name}.jpg\n2\n10 5 20 20 0 0 0 0 0 0\n30 30 0 2 2 0 0 0 2 0\n"
            f"0--Parade/{name}_empty.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"
        ).encode()

    contents = {}
    for part, name in (("train", "a"), ("val", "b")):
        members = {
            f"WIDER_{part}/images/0--Parade/{stem}.jpg": image(noise(40, 60), "JPEG")
            for stem in (name, f"{name}_empty")
        }
        contents[f"WIDER_{part}.zip"] = kit.zipped(members | {f"__MACOSX/WIDER_{part}/._images": b"junk"})
    split = {
        f"wider_face_split/wider_face_{part}_bbx_gt.txt": lines(name) for part, name in (("train", "a"), ("val", "b"))
    }
    contents["wider_face_split.zip"] = kit.zipped(split | {"wider_face_split/readme.txt": b""})
    table = read("wider-face", contents, layout=(2, 2))
    assert table.column_values("part") == ["train", "train", "valid", "valid"]
    assert [[face["box"] for face in faces] for faces in table.column_values("boxes")] == [[[10, 5, 30, 25]], []] * 2


def test_mnist_is_the_published_one(data_folder, places, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    table = datasets.load("mnist")
    assert len(table) == 70_000
    assert [table[row]["digit"] for row in (0, 1, 59_999, 60_000, 69_999)] == [5, 0, 8, 7, 6]
    # Published mean grey level of the training part: 0.1307.
    assert abs(table.arrays["image"][:60_000].mean() / 255 - 0.1307) < 5e-5
    assert table.frame["part"].to_list() == ["train"] * 60_000 + ["test"] * 10_000


def test_digits_need_no_network_and_no_cache(places):
    table = datasets.load("digits")
    assert len(table) == 1797
    assert table[0]["image"].shape == (8, 8)
    assert (table[0]["digit"], table[0]["image"].max()) == (0, 239)  # 15 of 16 grey levels
    assert not (places / "cache").exists()
    assert dataclasses.replace(datasets.info("digits")).size == 0


@pytest.mark.slow
def test_cifar10_has_ten_kinds_of_six_thousand(data_folder, places, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    table = datasets.load("cifar10", tell=lambda line: None)
    counts = table.frame.group_by("part", "label").len()
    assert sorted(counts["len"].to_list()) == [1000] * 10 + [5000] * 10


def of(name, *contents):
    """The contents of a set's files, by their paths."""
    return dict(zip((file.path for file in datasets.info(name).files), contents, strict=True))


def sound(seconds=0.1, rate=8000, **options):
    import soundfile

    file = io.BytesIO()
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * rate))
    soundfile.write(file, samples, rate, **{"format": "WAV", **options})
    return file.getvalue()


def test_fsdd(read, kit):
    files = {f"free-spoken-digit-dataset-1.0.10/recordings/{d}_theo_{n}.wav": sound() for d in (3, 7) for n in (4, 5)}
    table = read("fsdd", of("fsdd", kit.zipped({**files, "free-spoken-digit-dataset-1.0.10/README.md": b"x"})), (4,))
    assert table["digit"] == ["3", "3", "7", "7"]
    assert table["part"] == ["test", "train"] * 2
    assert table["accent"] == ["USA/neutral"] * 4
    assert table.columns["audio"].fit(table["audio"]).encode(table["audio"][0]).shape == (800,)


def test_sentences_of_tatoeba(read, kit):
    lines = "Go.\tVa !\nHi.\tSalut !\nHi.\tSalut.\n"
    files = {"fra-eng/fra.txt": lines.encode(), "fra-eng/_about.txt": b"x"}
    table = read("tatoeba-en-fr", {"fra-eng.zip": kit.zipped(files)}, (1,))
    assert list(zip(table["en"], table["fr"], strict=True)) == [("Go.", "Va !"), ("Hi.", "Salut !"), ("Hi.", "Salut.")]
    assert table["part"][1] == table["part"][2]


def test_speech_commands(read, kit):
    files = {
        "./yes/0c40e715_nohash_0.wav": sound(), "./_unknown_/bed_0c40e715_nohash_1.wav": sound(),
        "./_silence_/1024.wav": sound(), "./LICENSE": b"x",
    }  # fmt: skip
    table = read("speech-commands-test", of("speech-commands-test", kit.tar_gz(files)), (3,))
    assert sorted(zip(table["word"], table["speaker"], strict=True), key=str) == [
        ("_silence_", None), ("_unknown_", "0c40e715"), ("yes", "0c40e715"),
    ]  # fmt: skip


def test_esc10(read, kit):
    ogg = sound(format="OGG", subtype="VORBIS")
    files = {"ESC-10-5/001 - Dog bark/1-30226-A.ogg": ogg, "ESC-10-5/010 - Fire crackling/5-1-A.ogg": ogg}
    table = read("esc10", of("esc10", kit.zipped(files)), (2,))
    assert list(zip(table["sound"], table["fold"], strict=True)) == [("dog bark", "1"), ("fire crackling", "5")]


def test_esc50(read, kit):
    files = {
        "ESC-50-master/audio/1-100032-A-0.wav": sound(),
        "ESC-50-master/meta/esc50.csv": b"filename,fold,target,category,esc10,src_file,take\n"
        b"1-100032-A-0.wav,1,0,vacuum_cleaner,False,100032,A\n",
    }
    table = read("esc50", of("esc50", kit.zipped(files)), (1, 1))
    assert (table["sound"], table["fold"], table["esc10"]) == (["vacuum cleaner"], ["1"], [False])


def test_arabic_commands(read, kit):
    lists = {f"repo/{part}.csv": b"file,class\n" for part in ("val", "test")}
    files = {
        "repo/train.csv": b"file,class\ndataset/yes/00000030_NO_01.wav,yes\n",
        "repo/dataset/yes/00000030_NO_01.wav": sound(),
    }
    table = read("arabic-commands", of("arabic-commands", kit.zipped({**lists, **files})), (1, 1))
    assert (table["word"], table["speaker"], table["part"]) == (["yes"], ["00000030"], ["train"])


def test_librispeech(read, kit):
    parts = []
    for part in ("train-clean-100", "dev-clean", "test-clean"):
        folder = f"LibriSpeech/{part}/84/121123"
        text = b"84-121123-0000 GO DO YOU HEAR\n84-121123-0001 BUT\n"
        flac = {f"{folder}/84-121123-000{n}.flac": sound(format="FLAC") for n in (0, 1)}
        parts.append(kit.tar_gz({f"{folder}/84-121123.trans.txt": text, **flac}))
    table = read("librispeech-100", of("librispeech-100", *parts), (6,))
    assert len(table) == 6
    assert {(row["part"], row["text"]) for row in table} == {
        (part, text) for part in ("train", "valid", "test") for text in ("GO DO YOU HEAR", "BUT")
    }
    assert set(table["speaker"]) == {"84"}


def test_yesno(read, kit):
    table = read(
        "yesno", of("yesno", kit.tar_gz({"waves_yesno/1_0_1_1_0_0_0_1.wav": sound(), "waves_yesno/README": b"x"})), (1,)
    )
    assert table["text"] == ["yes no yes yes no no no yes"]
