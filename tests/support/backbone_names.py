"""Which backbones the tests train, export and compile."""

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
