import numpy as np

import longspan as ls
from longspan.datasets import make_scenes
from longspan.train.reports.learner_report import compose_report
from longspan.train.reports.show import batch_images, legend_of, result_images


def test_a_mask_says_how_much_of_it_is_right_and_stands_beside_the_truth():
    scenes = make_scenes(6, seed=1)
    learner = ls.Learner(
        ls.Task(scenes.split(valid=2), inputs="image", targets="mask"),
        "resnet20",
        heads={"mask": ls.Segment(width=4)},
        progress=False,
    )
    scores = learner.scores()
    images = result_images(learner, scores, 2)
    said, true = scores.predictions["mask"].numpy(), scores.targets["mask"].numpy()
    fractions = sorted(f"mask {np.mean(said[i] == true[i]):.0%} right" for i in range(2))
    assert sorted(image.caption for image in images) == fractions
    height, width = learner.task.targets["mask"].size_px
    assert {image.image.shape for image in images} == {(height, 2 * width + 4, 3)}
    assert [word for word, _ in legend_of(learner)] == ["ground", "rectangle", "disc", "triangle"]
    assert all(image.note.startswith("loss ") for image in images)
    assert {image.caption for image in batch_images(learner, 2)} == {""}
    page = compose_report(learner).to_html()
    assert page.count('<ul class="legend">') == 2
    assert "Left the prediction, right the target." in page
