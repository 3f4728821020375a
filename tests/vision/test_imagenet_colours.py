from torchvision.models import SqueezeNet1_1_Weights

from longspan.vision.imagenet_colours import IMAGENET_MEAN, IMAGENET_STD


def test_they_are_those_that_torchvision_prepares_images_with():
    prepare = SqueezeNet1_1_Weights.IMAGENET1K_V1.transforms()
    assert (tuple(prepare.mean), tuple(prepare.std)) == (IMAGENET_MEAN, IMAGENET_STD)
