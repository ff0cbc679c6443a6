"""What a recipe makes of its flags on the devices there are."""

import pytest

from trainer.training import recipe


@pytest.mark.parametrize(
    ("kind", "compiled"),
    [
        ("cpu", {None: False, True: True, False: False}),
        ("gpu", {None: True, True: True, False: False}),
        ("tpu", {None: False, True: False, False: False}),
    ],
)
def test_xla_is_used_where_it_is_faster(kind, compiled):
    for xla, used in compiled.items():
        assert recipe.uses_xla(xla, kind=kind) is used
