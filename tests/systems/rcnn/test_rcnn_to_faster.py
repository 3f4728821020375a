import json

import numpy as np
import pytest

from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.function_registry import load_with_functions


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
def test_a_quick_look(tmp_path):
    pytest.importorskip("cv2.ximgproc")
    system = find_system("rcnn-to-faster")
    options = system.options(limit=15, regions=40, search_px=96, crop_px=48, tune_epochs=1, epochs=1, size="96x128")
    system.run(options, SystemRun("rcnn-to-faster", tmp_path, quiet=True))
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "report.html", "model.safetensors"}
    result = json.loads((tmp_path / "result.json").read_text())
    metrics = result["metrics"]
    for way in ("R-CNN", "Faster R-CNN"):
        assert 0 <= metrics[f"map, {way}"] <= metrics[f"ap50, {way}"] <= 1
        assert metrics[f"seconds per photo, {way}"] > 0
    assert metrics["seconds per photo, R-CNN"] > metrics["seconds per photo, Faster R-CNN"]
    assert 0 < metrics["fraction of people in a region, R-CNN"] <= 1
    assert [stage["stage"] for stage in result["ceiling"]["stages"]][:2] == ["propose", "warp"]
    assert set(result["seconds by stage of R-CNN"]) == {"propose", "warp", "extract", "all others"}
    page = (tmp_path / "report.html").read_text()
    sections = ["Side by side", "Where the time of R-CNN goes", "Ceiling analysis of R-CNN", "Curves"]
    places = [page.index(f">{name}</h2>") for name in sections]
    assert places == sorted(places)
    grey = np.full((80, 120, 3), 90, np.uint8)
    assert load_with_functions(tmp_path / "model.safetensors").predict(grey).draw(grey).shape == (80, 120, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"regions": 5}, "--regions must be at least 10, got 5"),
        ({"search_px": 8}, "--search-px must be at least 32, got 8"),
        ({"crop_px": 8}, "--crop-px must be at least 32, got 8"),
        ({"tune_epochs": 0}, "--tune-epochs must be at least 1, got 0"),
        ({"epochs": 0}, "--epochs must be at least 1, got 0"),
        ({"size": "20"}, "--size must be HEIGHTxWIDTH"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        find_system("rcnn-to-faster").options(**options)
