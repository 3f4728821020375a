"""Recordings of driving in the layouts of their recorders, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls
from longspan.datasets.driving.recordings import read_comma, read_donkey, read_udacity
from longspan.errors import ConfigError, DataError


def image(path, value=100, size=(16, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    PILImage.fromarray(np.full((size[1], size[0], 3), value, np.uint8)).save(path)
    return path


def udacity(folder, frames=6, pause_after=3, heading=False):
    lines = ["center,left,right,steering,throttle,brake,speed"] if heading else []
    for number in range(frames):
        second = number if number < pause_after else number + 30
        names = []
        for camera in ("center", "left", "right"):
            name = f"{camera}_2016_12_01_13_30_{second:02d}_500.jpg"
            image(folder / "IMG" / name)
            names.append(rf"C:\Users\me\IMG\{name}" if camera == "center" else f" IMG/{name}")
        lines.append(",".join([*names, f"{number / 10}", "0.5", "0", "20"]))
    (folder / "driving_log.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("heading", [False, True])
def test_udacity_with_and_without_heading(tmp_path, heading):
    table = read_udacity(udacity(tmp_path, heading=heading))
    assert table.column_values("steering") == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert table.column_values("speed") == [20.0] * 6
    assert all(path.endswith(".jpg") for path in table.column_values("image"))


def test_a_pause_begins_another_run(tmp_path):
    assert read_udacity(udacity(tmp_path)).column_values("run") == ["0", "0", "0", "1", "1", "1"]


def test_side_cameras_steer_back_to_the_middle(tmp_path):
    table = read_udacity(udacity(tmp_path), side_cameras=True, side_correction=0.2)
    assert len(table) == 18
    assert table.column_values("camera")[:3] == ["center", "left", "right"]
    assert table.column_values("steering")[3:6] == pytest.approx([0.1, 0.3, -0.1])


def test_a_recording_cut_short_is_refused_or_cut(tmp_path):
    folder = udacity(tmp_path)
    log = folder / "driving_log.csv"
    log.write_text(log.read_text()[:-30])
    last = sorted((folder / "IMG").glob("center*"))[-2]
    last.write_bytes(last.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"line 6 has . of 7 values.*last 2 of 6 frames; on_cut=.skip"):
        read_udacity(folder)
    assert len(read_udacity(folder, on_cut="skip")) == 4


def test_holes_in_the_middle_are_always_refused(tmp_path):
    folder = udacity(tmp_path)
    next((folder / "IMG").glob("center*_01_500.jpg")).unlink()
    for on_cut in ("raise", "skip"):
        with pytest.raises(DataError, match="line 2: there is no IMG/center"):
            read_udacity(folder, on_cut=on_cut)
    with pytest.raises(ConfigError, match="on_cut must be"):
        read_udacity(folder, on_cut="ignore")


def test_words_and_missing_logs_are_named(tmp_path):
    folder = udacity(tmp_path)
    log = folder / "driving_log.csv"
    log.write_text(log.read_text().replace(",0.1,", ",left,"))
    with pytest.raises(DataError, match="line 2: could not convert string to float"):
        read_udacity(folder)
    with pytest.raises(DataError, match="cannot be read"):
        read_udacity(tmp_path / "elsewhere")


def tub(folder, times):
    lines = []
    for number, moment in enumerate(times):
        name = f"{number}_cam_image_array_.jpg"
        image(folder / "images" / name)
        lines.append(json.dumps({"_timestamp_ms": 1000 * moment, "cam/image_array": name, "user/angle": number / 10,
                                 "user/throttle": 0.5}))  # fmt: skip
    (folder / "catalog_0.catalog").write_text("\n".join(lines[:3]) + "\n")
    (folder / "catalog_1.catalog").write_text("\n".join(lines[3:]) + "\n")
    return folder


def test_a_tub_of_a_donkeycar(tmp_path):
    table = read_donkey(tub(tmp_path, [10, 10.1, 10.2, 20, 20.1, 20.2]), every=2)
    assert table.column_values("angle") == pytest.approx([0, 0.2, 0.4])
    assert table.column_values("run") == ["0", "0", "1"]
    assert table.column_values("time") == pytest.approx([0, 0.2, 10.1])


def test_a_tub_cut_short(tmp_path):
    folder = tub(tmp_path, [0, 0.1, 0.2, 0.3])
    catalog = folder / "catalog_1.catalog"
    catalog.write_text(catalog.read_text()[:20])
    with pytest.raises(DataError, match=r"frame 3: JSONDecodeError.*cut short in its last 1 of 4"):
        read_donkey(folder)
    assert len(read_donkey(folder, on_cut="skip")) == 3
    with pytest.raises(DataError, match=r"no catalog_0"):
        read_donkey(tmp_path / "images")


def comma(folder, frames=8, times=8, log_until=1.0):
    cv2 = pytest.importorskip("cv2")
    folder.mkdir(parents=True)
    video = cv2.VideoWriter(str(folder / "video.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 20, (64, 48))
    if not video.isOpened():
        pytest.skip("OpenCV cannot write a video here")
    for number in range(frames):
        video.write(np.full((48, 64, 3), 20 * number, np.uint8))
    video.release()
    (folder / "video.avi").rename(folder / "video.hevc")
    arrays = {"global_pose/frame_times": 100 + np.arange(times) * 0.05}
    moments = np.linspace(99.9, 100 + log_until, 50)
    for name, factor in (("steering_angle", 10.0), ("speed", 2.0)):
        arrays[f"processed_log/CAN/{name}/t"] = moments
        arrays[f"processed_log/CAN/{name}/value"] = (factor * (moments - 100))[:, None]
    for name, value in arrays.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            np.save(file, value)
    return folder


def test_a_segment_of_comma(tmp_path):
    table = read_comma(comma(tmp_path / "a" / "3").parent, size_px=(24, 32), every=2)
    assert len(table) == 4
    assert table.column_values("steering_deg") == pytest.approx([0, 1, 2, 3], abs=1e-6)
    assert table.column_values("speed") == pytest.approx([0, 0.2, 0.4, 0.6], abs=1e-6)
    assert table.column_values("run") == ["3"] * 4
    shown = np.asarray(table.value(2, "image"))
    assert shown.shape == (24, 32, 3)
    assert abs(float(shown.mean()) - 80) < 4


def test_a_segment_cut_short(tmp_path):
    folder = comma(tmp_path / "3", frames=5)
    with pytest.raises(DataError, match="cut short"):
        read_comma(folder, every=1)
    assert len(read_comma(folder, every=1, on_cut="skip")) == 5
    with pytest.raises(DataError, match="log was cut short"):
        read_comma(comma(tmp_path / "4", log_until=-0.05, times=40))
    (folder / "global_pose" / "frame_times").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match="cannot be read as a NumPy array"):
        read_comma(folder)
    with pytest.raises(DataError, match=r"no video\.hevc"):
        read_comma(tmp_path / "nowhere")


def test_drive_rc_is_split_by_run(data_folder):
    del data_folder
    table = ls.datasets.load("drive-rc", tell=lambda line: None)
    found = {(run, part) for run, part in zip(table.column_values("run"), table.column_values("part"), strict=True)}
    assert found == {("0", "train"), ("2", "train"), ("1", "valid"), ("1", "test")}
    parts = table.column_values("part")
    assert [parts.count(part) for part in ("train", "valid", "test")] == [1647, 430, 431]
