"""Made-up data in the published layout of the named sets: a dozen rows each, in tiny archives on this machine."""

import dataclasses
import datetime
import gzip
import hashlib
import io
import itertools
import json
import tarfile
import wave
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as PillowImage

from longspan import datasets

SIDE = 64
ROWS = 12
COLOURS = {"Road": (90, 90, 90), "Sky": (120, 170, 230), "Building": (170, 90, 60)}


def image(pixels, kind="PNG"):
    file = io.BytesIO()
    PillowImage.fromarray(np.asarray(pixels).clip(0, 255).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tar_gz(members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def ground(rng):
    """Dark patches, on each image others: images that are nearly alike would count as copies of one another."""
    patches = PillowImage.fromarray(rng.integers(0, 110, (6, 6, 3), dtype=np.uint8))
    return np.asarray(patches.resize((SIDE, SIDE), PillowImage.Resampling.BICUBIC), float)


def scene(rng, colour=(220, 200, 60)):
    """Pixels, and the box of one bright rectangle, taller than wide."""
    pixels = ground(rng)
    width, height = int(rng.integers(14, 22)), int(rng.integers(26, 40))
    x, y = int(rng.integers(2, SIDE - width - 2)), int(rng.integers(2, SIDE - height - 2))
    pixels[y : y + height, x : x + width] = np.asarray(colour) + rng.normal(0, 6, (height, width, 3))
    return pixels, (x, y, x + width, y + height)


def mnist():
    """A bright bar whose place is the digit."""
    rng = np.random.default_rng(0)

    def idx(array):
        header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        return gzip.compress(header + array.tobytes(), mtime=0)

    contents = {}
    for stem, rows in (("train", 200), ("t10k", 40)):
        labels = np.arange(rows, dtype=np.uint8) % 10
        pixels = rng.integers(0, 60, (rows, 28, 28), dtype=np.uint8)
        for row, digit in enumerate(labels):
            if digit < 5:
                pixels[row, :, 3 + 5 * digit : 6 + 5 * digit] = 230
            else:
                pixels[row, 3 + 5 * (digit - 5) : 6 + 5 * (digit - 5)] = 230
        contents[f"mnist/{stem}-images-idx3-ubyte.gz"] = idx(pixels)
        contents[f"mnist/{stem}-labels-idx1-ubyte.gz"] = idx(labels)
    return contents, ()


def pets():
    """Cats are lighter in their upper half, dogs in their lower one."""
    rng = np.random.default_rng(1)
    images, listed = {}, []
    for row in range(2 * ROWS):
        breed = "Abyssinian" if row % 2 else "beagle"
        pixels = ground(rng)
        pixels[slice(0, 32) if row % 2 else slice(32, 64)] += 120
        images[f"images/{breed}_{row}.jpg"] = image(pixels, "JPEG")
        listed.append(f"{breed}_{row} 1 1 1")
    annotations = {"annotations/trainval.txt": "\n".join(listed[:-2]), "annotations/test.txt": "\n".join(listed[-2:])}
    annotations |= {f"annotations/trimaps/{line.split()[0]}.png": image(np.full((SIDE, SIDE), 2)) for line in listed}
    annotations["annotations/xmls/Abyssinian_1.xml"] = (
        "<annotation><filename>Abyssinian_1.jpg</filename><size><width>64</width><height>64</height><depth>3</depth>"
        "</size><object><name>cat</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>25</ymax></bndbox>"
        "</object></annotation>"
    )
    packed = {name: text if isinstance(text, bytes) else text.encode() for name, text in annotations.items()}
    return {"images.tar.gz": tar_gz(images), "annotations.tar.gz": tar_gz(packed)}, (1, 1)


def camvid():
    """A horizon of changing height: road below, sky above, a building to one side."""
    rng = np.random.default_rng(2)
    names = ["Road", "Sky", "Building", "Void"]
    members = {"camvid/codes.txt": "\n".join(names).encode()}
    stems = [f"0001TP_{6690 + 30 * row:06}" for row in range(ROWS)]  # train
    stems += [f"0016E5_{7959 + 2 * row:05}" for row in range(4)]  # valid
    stems += [f"Seq05VD_f{30 * row:05}" for row in range(4)]  # test
    for stem in stems:
        horizon, wall = int(rng.integers(24, 44)), int(rng.integers(8, 28))
        numbers = np.zeros((SIDE, SIDE), np.uint8)
        numbers[:horizon] = 1
        numbers[horizon - 16 : horizon, :wall] = 2
        pixels = np.asarray(list(COLOURS.values()))[numbers] + rng.normal(0, 8, (SIDE, SIDE, 3))
        members[f"camvid/images/{stem}.png"] = image(pixels)
        members[f"camvid/labels/{stem}_P.png"] = image(numbers)
    return {"camvid.tgz": tar_gz(members)}, (len(stems), len(stems))


def penn_fudan():
    """One person on each photo: a bright upright rectangle."""
    rng = np.random.default_rng(3)
    members = {}
    for row in range(1, 16):
        pixels, (x0, y0, x1, y1) = scene(rng)
        mask = np.zeros((SIDE, SIDE))
        mask[y0:y1, x0:x1] = 1
        name = f"FudanPed{row:05}"
        members[f"PennFudanPed/PNGImages/{name}.png"] = image(pixels)
        members[f"PennFudanPed/PedMasks/{name}_mask.png"] = image(mask)
        members[f"PennFudanPed/Annotation/{name}.txt"] = (
            "# Compatible with PASCAL Annotation Version 1.00\n"
            f'Image filename : "PennFudanPed/PNGImages/{name}.png"\nImage size (X x Y x C) : {SIDE} x {SIDE} x 3\n'
            'Objects with ground truth : 1 { "PASpersonWalking" }\n'
            'Bounding box for object 1 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : '
            f"({x0 + 1}, {y0 + 1}) - ({x1}, {y1})\n"
        ).encode()
    return {"PennFudanPed.zip": zipped(members)}, (15, 15, 15)


def coco128():
    """Yellow umbrellas and green trains: classes 25 and 6."""
    rng = np.random.default_rng(4)
    members = {}
    for row in range(16):
        label, colour = ((25, (220, 200, 60)), (6, (60, 200, 90)))[row % 2]
        pixels, (x0, y0, x1, y1) = scene(rng, colour)
        centre = ((x0 + x1) / 2 / SIDE, (y0 + y1) / 2 / SIDE, (x1 - x0) / SIDE, (y1 - y0) / SIDE)
        members[f"coco128/images/train2017/{row:012}.jpg"] = image(pixels, "JPEG")
        members[f"coco128/labels/train2017/{row:012}.txt"] = " ".join(map(str, (label, *centre))).encode()
    return {"coco128.zip": zipped(members)}, (16, 16)


def wav(samples, rate_hz):
    """A WAV file of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def tone(rng, pitch_hz, seconds, rate_hz):
    """A tone between two pauses, in noise: no two are alike."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    start, stop = rng.uniform(0.05, 0.3) * seconds, rng.uniform(0.6, 0.95) * seconds
    samples = 0.5 * np.sin(2 * np.pi * (pitch_hz * rng.uniform(0.97, 1.03) * t + rng.uniform()))
    return samples * ((t > start) & (t < stop)) + rng.normal(0, 0.02, len(t))


def fsdd():
    """Digits 0 to 3 are tones of different pitch."""
    rng = np.random.default_rng(6)
    top = "free-spoken-digit-dataset-1.0.10"
    members = {
        f"{top}/recordings/{digit}_{speaker}_{repeat}.wav": wav(tone(rng, 400 * (1 + digit), 0.5, 8_000), 8_000)
        for digit in range(4)
        for speaker in ("george", "theo")
        for repeat in (0, 5, 6)
    }
    return {f"{top}.zip": zipped(members)}, (len(members),)


def speech_commands_test():
    """Two words and "_unknown_" are tones, "_silence_" is noise; three speakers validate, three test."""
    rng = np.random.default_rng(7)
    parts = json.loads((Path(datasets.__file__).parent / "sound" / "speech_commands_parts.json").read_text("utf-8"))
    held_out = [name for part in ("valid", "test") for name in [each for each in parts[part] if not each.isdigit()][:2]]
    members = {}
    for row in range(10):
        speaker = held_out[row] if row < len(held_out) else f"made{row}"
        for pitch_hz, word in ((500, "yes"), (1000, "no"), (2000, "_unknown_")):
            members[f"{word}/{speaker}_nohash_0.wav"] = wav(tone(rng, pitch_hz, 1.0, 16_000), 16_000)
        members[f"_silence_/made{row}.wav"] = wav(rng.normal(0, 0.02, 16_000), 16_000)
    return {"speech_commands_test_set_v0.02.tar.gz": tar_gz(members)}, (len(members),)


def rt_polarity():
    """Sentences with one word that tells."""
    rng = np.random.default_rng(8)
    fillers = ["film", "story", "plot", "scene", "actor"]
    files = {}
    for ending, words in (("pos", ("good", "great")), ("neg", ("bad", "dull"))):
        lines = [f"{' '.join(rng.choice(fillers, 3))} {words[row % 2]} number {row}" for row in range(30)]
        files[f"rt-polaritydata/rt-polarity.{ending}"] = ("\n".join(lines) + "\n").encode("latin-1")
    return {"rt-polaritydata.public.tar.gz": tar_gz(files)}, (2,)


def multi30k():
    """Adjectives stand before the noun in one language and behind it in the others."""
    french = {"red": "rouge", "large": "large", "house": "maison", "car": "voiture", "door": "porte", "chair": "chaise"}
    pairs = [
        (f"A {colour} {noun} and a {other}.", f"Une {french[noun]} {french[colour]} et une {french[other]}.")
        for colour, noun, other in itertools.product(("red", "large"), *2 * (("house", "car", "door", "chair"),))
    ]  # fmt: skip
    contents = {}
    for name, rows in (
        ("train", slice(0, 26)),
        ("val", slice(26, 28)),
        *((f"test_{y}_flickr", slice(28, 32)) for y in (2016, 2017)),
    ):
        for language, place in (("en", 0), ("fr", 1), ("de", 1)):
            lines = "".join(f"{pair[place]}\n" for pair in pairs[rows])
            contents[f"multi30k/{name}.{language}.gz"] = gzip.compress(lines.encode(), mtime=0)
    return contents, (4, 4, 4)


def flickr8k_small():
    """Bright rectangles of two colours, and what two people say about them."""
    rng = np.random.default_rng(9)
    members, lines = {}, ["image\tn\tsplit\tcaption"]
    for row in range(20):
        colour, word = (((220, 200, 60), "yellow"), ((60, 200, 90), "green"))[row % 2]
        members[f"flickr8k_small/images/{row}.jpg"] = image(scene(rng, colour)[0], "JPEG")
        part = "train" if row < 12 else "dev" if row < 16 else "test"
        for number, text in enumerate((f"A {word} box stands on the ground .", f"There is a {word} box .")):
            lines.append(f"{row}.jpg\t{number}\t{part}\t{text}")
    members["flickr8k_small/captions.tsv"] = ("\n".join(lines) + "\n").encode()
    return {"flickr8k_small.tar.gz": tar_gz(members)}, (20,)


def paintings():
    """Stripes for paintings, rectangles for photos."""
    rng = np.random.default_rng(10)
    members = {
        f"repository/images/styles/{name}.jpg": image(np.tile(rng.integers(0, 255, (1, SIDE, 3)), (SIDE, 1, 1)), "JPEG")
        for name in ("starry_night", "wave")
    }
    members |= {f"repository/images/content/{name}.jpg": image(scene(rng)[0], "JPEG") for name in ("chicago", "sea")}
    return {"fast-neural-style.zip": zipped(members)}, (2, 2)


def csv(**columns):
    """A file with a header."""
    rows = zip(*columns.values(), strict=True)
    return "\n".join(",".join(map(str, row)) for row in [tuple(columns), *rows]).encode()


def bike_sharing():
    """Two weeks of hours; bikes by the hour of the day, fewer on holidays."""
    rng = np.random.default_rng(9)
    hours = range(24 * 14)
    bikes = [10 * min(hour % 24, 24 - hour % 24) + int(rng.integers(5)) for hour in hours]
    days = [f"2011-01-{1 + hour // 24:02}" for hour in hours]
    file = csv(
        instant=hours, dteday=days, season=[1] * len(hours), yr=[0] * len(hours), mnth=[1] * len(hours),
        hr=[hour % 24 for hour in hours], holiday=[0] * len(hours), weekday=[hour // 24 % 7 for hour in hours],
        workingday=[int(hour // 24 % 7 < 5) for hour in hours], weathersit=[1 + hour % 2 for hour in hours],
        temp=rng.random(len(hours)).round(2), casual=[0] * len(hours), registered=bikes, cnt=bikes,
    )  # fmt: skip
    return {"bike+sharing+dataset.zip": zipped({"hour.csv": file})}, (1,)


def adult():
    """Those of the older half earn more."""
    rows = [
        f"{20 + row % 50}, Private, {1000 + row}, HS-grad, {9 + row % 3}, Divorced, Sales, Wife, White, Female, 0, 0, "
        f"40, Cuba, {'>50K' if row % 50 > 25 else '<=50K'}"
        for row in range(200)
    ]
    last = [f"{row}." for row in rows[:20]]
    return {"adult.data": "\n".join(rows).encode(), "adult.test": "\n".join(["|a line", *last]).encode()}, ()


def ames_housing():
    """Prices by area."""
    rng = np.random.default_rng(10)
    area = rng.integers(50, 300, 120)
    price = 1000 * area + rng.integers(0, 2000, 120)
    return {
        "AmesHousing.csv": csv(
            Order=range(120), PID=range(900, 1020), **{"MS SubClass": [20] * 120, "Gr Liv Area": area}, SalePrice=price
        )
    }, ()


def walmart_weekly():
    """Three stores of different size, for thirty weeks, days first as published."""
    rng = np.random.default_rng(11)
    weeks = [datetime.date(2011, 1, 7) + datetime.timedelta(weeks=week) for week in range(30)]
    rows = [(store, week) for store in (1, 2, 3) for week in weeks]
    return {
        "Walmart_Store_sales.csv": csv(
            Store=[store for store, _ in rows], Date=[week.strftime("%d-%m-%Y") for _, week in rows],
            Weekly_Sales=[1000 * store + int(rng.integers(50)) for store, _ in rows],
            Holiday_Flag=[int(week.day < 3) for _, week in rows], Temperature=rng.random(len(rows)).round(2),
        )
    }, ()  # fmt: skip


def wider_face():
    """One face on each photo: a bright rectangle."""
    rng = np.random.default_rng(5)
    contents, lists = {}, {}
    for part, rows in (("train", ROWS), ("val", 4)):
        members, lines = {}, []
        for row in range(rows):
            pixels, (x0, y0, x1, y1) = scene(rng)
            members[f"WIDER_{part}/images/0--Parade/{part}_{row}.jpg"] = image(pixels, "JPEG")
            lines += [f"0--Parade/{part}_{row}.jpg", "1", f"{x0} {y0} {x1 - x0} {y1 - y0} 0 0 0 0 0 0"]
        contents[f"WIDER_{part}.zip"] = zipped(members)
        lists[f"wider_face_split/wider_face_{part}_bbx_gt.txt"] = ("\n".join(lines) + "\n").encode()
    contents["wider_face_split.zip"] = zipped(lists)
    return contents, (ROWS, 4)


def bone_age_100():
    """Made-up hands at 100 x 100 px, each with its joint boxes and key points."""
    counts = {"train": 24, "valid": 5, "test": 8}
    look = datasets.HandsConfig(height_px=100, width_px=100, mm_per_px=2.3, noise=0.02)
    hands = datasets.make_hands(sum(counts.values()), seed=5, config=look)
    parts = [part for part, count in counts.items() for _ in range(count)]
    labels, points = ["id,boneage,male,split,orig_width,orig_height"], ["id,middle_tip_x,middle_tip_y,thumb_tip_x,"]
    points[0] += "thumb_tip_y,capitate_x,capitate_y"
    rois, members = ["part,id,name,xmin,ymin,xmax,ymax"], {}
    for row, part in enumerate(parts):
        at = hands.value(row, "points")
        male = hands.value(row, "sex") == "male"
        labels.append(f"{row},{hands.value(row, 'age_months'):.0f},{male},{part},1000,1000")
        members[f"bone_age_100/images/{row}.jpg"] = image(hands.value(row, "image"), "JPEG")
        wrist = at["middle metacarpal base"]
        tips = [at.get(f"{finger} distal head", [99.0, 60.0]) for finger in ("middle", "thumb")]
        points.append(",".join(map(str, [row, *(c / 100 for place in (*tips, wrist) for c in place)])))
        joints = [("Wrist", wrist), ("Radius", [wrist[0] + 4, wrist[1] + 6]), ("Ulna", [wrist[0] - 4, wrist[1] + 6])]
        for finger in ("thumb", "index", "middle", "ring", "little"):
            ends = [("MCP", "metacarpal"), ("PIP", "proximal"), *([("DIP", "middle")] if finger != "thumb" else [])]
            joints += [(name, at.get(f"{finger} {bone} head", [97.0, 60.0])) for name, bone in ends]
        for name, (x, y) in joints:
            box = [max(0.0, (x - 4) / 100), (y - 4) / 100, min(1.0, (x + 4) / 100), (y + 4) / 100]
            if row % 6 == 0:
                continue  # some have key points alone
            rois.append(",".join(map(str, ["eval_expert" if row % 4 == 3 else "train", row, name, *box])))
    large = ["id,boneage,male,source"]
    for row in range(6):
        large.append(f"{900 + row},{hands.value(row, 'age_months'):.0f},True,rsna_test")
        members[f"bone_age_100/large/{900 + row}.jpg"] = image(hands.value(row, "image"), "JPEG")
    for name, lines in (("labels", labels), ("keypoints", points), ("rois", rois), ("large", large)):
        members[f"bone_age_100/{name}.csv"] = "\n".join(lines).encode()
    return {"bone_age_100.tar.gz": tar_gz(members)}, ()


def bone_age():
    """Made-up hands in the published layout."""
    look = datasets.HandsConfig(height_px=60, width_px=50, mm_per_px=4.0)
    hands = datasets.make_hands(20, seed=6, config=look)
    images = {f"boneage-training-dataset/{row}.png": image(hands.value(row, "image")) for row in range(len(hands))}
    lines = [f"{row},{hands.value(row, 'age_months'):.0f},{hands.value(row, 'sex') == 'male'}" for row in range(20)]
    return {
        "Bone+Age+Training+Set.zip": zipped(images),
        "Bone+Age+Training+Set+Annotations.zip": zipped({"train.csv": "\n".join(["id,boneage,male", *lines]).encode()}),
    }, ()


def pneumonia():
    """The lungs of the ill are lighter."""
    rng = np.random.default_rng(6)
    arrays = {}
    for part, count in (("train", 40), ("val", 24), ("test", 24)):
        labels = np.arange(count) % 2
        pixels = rng.integers(60, 110, (count, 28, 28))
        pixels[:, 6:22, 4:24] += 90 * labels[:, None, None]
        arrays |= {f"{part}_images": pixels.astype(np.uint8), f"{part}_labels": labels[:, None].astype(np.uint8)}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return {"medmnist/pneumoniamnist.npz": file.getvalue()}, ()


def drive_rc():
    """A bright line on the side to which the driver steers, in three runs of a tub."""
    members, lines = {}, []
    for row, run in enumerate([0] * 60 + [1] * 48 + [2] * 36):
        angle = round(float(np.sin(row * 1.7)), 3)
        pixels = np.full((48, 64, 3), 40, np.uint8)
        place = 32 + round(20 * angle)
        pixels[20:, place - 3 : place + 4] = 220
        members[f"car/data/images/{row}_cam_image_array_.jpg"] = image(pixels, "JPEG")
        lines.append(
            f'{{"_timestamp_ms": {1000 * (100 * run + row / 20)}, "cam/image_array": "{row}_cam_image_array_.jpg", '
            f'"user/angle": {angle}, "user/throttle": 0.5}}'
        )
    members["car/data/catalog_0.catalog"] = "\n".join(lines).encode()
    return {"csc3520-autonomous-rc-car.zip": zipped(members)}, (144, 1)


MADE = {
    "mnist": mnist, "pets": pets, "camvid": camvid, "penn-fudan": penn_fudan, "coco128": coco128,
    "wider-face": wider_face, "fsdd": fsdd, "speech-commands-test": speech_commands_test,
    "rt-polarity": rt_polarity, "multi30k": multi30k, "flickr8k-small": flickr8k_small,
    "bike-sharing": bike_sharing, "ames-housing": ames_housing,
    "walmart-weekly": walmart_weekly, "adult": adult, "bone-age-100": bone_age_100, "bone-age": bone_age,
    "pneumonia": pneumonia, "drive-rc": drive_rc, "paintings": paintings,
}  # fmt: skip


def as_published(data, contents, counts):
    """The record of a data set whose files are `contents`: sizes, checksums and numbers of files are theirs."""
    source = data.sources[0]
    files = tuple(
        dataclasses.replace(
            file,
            size=len(contents[file.path]),
            exact=True,
            sha256=hashlib.sha256(contents[file.path]).hexdigest(),
            md5=None,
            head_md5=None,
            of_content=False,
            urls=(),
        )
        for file in source.files
    )
    layout = tuple((pattern, count) for (pattern, _), count in zip(source.layout, counts, strict=True))
    return dataclasses.replace(
        data, sources=(dataclasses.replace(source, files=files, layout=layout, contents=()),), small=None
    )


@pytest.fixture(scope="session")
def made_up_archives(tmp_path_factory):
    """A folder of archives, a cache for what they unpack to, and the records of the sets."""
    root = tmp_path_factory.mktemp("made-up")
    records = {}
    for name, make in MADE.items():
        contents, counts = make()
        for path, content in contents.items():
            (root / "packs" / path).parent.mkdir(parents=True, exist_ok=True)
            (root / "packs" / path).write_bytes(content)
        records[name] = as_published(datasets.info(name), contents, counts)
    return SimpleNamespace(packs=root / "packs", cache=root / "cache", records=records)


@pytest.fixture
def made_up_data(made_up_archives, monkeypatch):
    """The named sets are made up while a test runs; those without made-up rows are as they are."""
    monkeypatch.setenv("LONGSPAN_DATA", str(made_up_archives.packs))
    monkeypatch.setenv("LONGSPAN_CACHE", str(made_up_archives.cache))
    published = datasets.find_dataset
    monkeypatch.setattr(datasets, "find_dataset", lambda name: made_up_archives.records.get(name) or published(name))
    return made_up_archives
