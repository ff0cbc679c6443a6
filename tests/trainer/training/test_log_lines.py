"""What a leg says of settings that are not those of the last one."""

import logging

from trainer.runtime.run_state import RunState
from trainer.training import log_lines


def test_changed_settings_are_named(caplog):
    state = RunState({}, steps_per_epoch=1)
    settings = {"max_loss": 1000.0, "xla": None, "new": 1}
    log_lines.warn_of_changes(state, settings)
    state.begin_leg(1, "a test", {"max_loss": 1000.0, "xla": None, "old": 2})
    log_lines.warn_of_changes(state, settings)
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING):
        log_lines.warn_of_changes(state, settings | {"xla": True})
    assert "--xla (was None, now True)" in caplog.text
    assert "max_loss" not in caplog.text
