"""Which backbones the tests train, export and compile."""

import pytest

from trainer.models import backbones

OWN = {"tiny", "small", "resnet9"}
# Built by the code of a smaller one, which is tested in their place.
LARGER = {
    "applications_efficientnet_v2_b1",
    "applications_efficientnet_v2_b2",
    "applications_efficientnet_v2_b3",
    "applications_efficientnet_v2_s",
    "applications_mobilenet_v3_large",
}
OTHERS = sorted(set(backbones.BACKBONES) - OWN - LARGER)
# One of each library and kind of block: the others are tried by hand.
SMALLEST = {
    "applications_mobilenet_v3_small",
    "efficientnet_v2_b0",
    "resnet18_v2",
}


def cases(names, quick=()):
    """Returns parameters: `quick` ones unmarked, the rest by what they take."""
    return [
        pytest.param(name, marks=[] if name in quick else _marks(name))
        for name in sorted(names)
    ]


def _marks(name):
    if name in OWN | SMALLEST:
        return [pytest.mark.long]
    return [pytest.mark.long, pytest.mark.by_hand]
