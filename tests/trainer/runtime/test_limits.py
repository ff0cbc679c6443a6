"""When to stop, and what is said then."""

import os
import signal

import pytest

from storage import UserError
from trainer.runtime import process_age
from trainer.runtime.limits import Limits, StopError


@pytest.fixture(autouse=True)
def default_handlers():
    """What a process in the foreground starts with; CI may ignore SIGINT."""
    before = [
        (signal.SIGTERM, signal.signal(signal.SIGTERM, signal.SIG_DFL)),
        (
            signal.SIGINT,
            signal.signal(signal.SIGINT, signal.default_int_handler),
        ),
    ]
    yield
    for number, handler in before:
        signal.signal(number, handler)


def test_the_first_signal_only_asks(capsys):
    with Limits(max_minutes=0) as found:
        assert not found.reached()
        os.kill(os.getpid(), signal.SIGTERM)
        assert found.reached()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert found.leave(7, 20, saved=True) == 143
    assert capsys.readouterr().err == (
        "SIGTERM: unfinished: step 7 of 20, run the same command to continue\n"
    )


def test_a_second_ctrl_c_acts_at_once(capfd):
    with Limits(max_minutes=0) as found:
        os.kill(os.getpid(), signal.SIGINT)
        assert found.signal == signal.SIGINT
        assert capfd.readouterr().err == (
            "\nStopping after the current steps, with a backup. Ctrl-C again "
            "stops now, without a backup.\n"
        )
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_stop_at_once():
    with Limits(max_minutes=0) as found:
        found.stop_at_once()
        with pytest.raises(StopError):
            os.kill(os.getpid(), signal.SIGTERM)
    with Limits(max_minutes=0) as found:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StopError):
            found.stop_at_once()


def test_what_survives_any_failure_does_not_survive_a_stop():
    """The report, say: a run is complete without it."""

    def make_report():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception:
            pytest.fail("the signal was swallowed")

    with Limits(max_minutes=0) as found:
        found.stop_at_once()
        with pytest.raises(StopError):
            make_report()


def test_the_time_counts_from_the_start_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(process_age, "seconds", lambda: 50.0)
    found = Limits(max_minutes=1.0)
    assert not found.reached()
    assert found.reached(reserve=11.0)
    assert not found.reached(reserve=9.0)
    found = Limits(max_minutes=0.8)
    assert found.reached()
    assert found.leave(7, 20, saved=True) == 0
    assert capsys.readouterr().out == (
        "unfinished: step 7 of 20, run the same command to continue\n"
    )
    with pytest.raises(UserError, match="could not be backed up"):
        found.leave(7, 20, saved=False)


def test_the_reserve_leaves_most_of_a_short_time(monkeypatch):
    monkeypatch.setattr(process_age, "seconds", lambda: 40.0)
    assert not Limits(max_minutes=1.0).reached(reserve=1000.0)


def test_process_age_is_that_of_this_process():
    assert 0 < process_age.seconds() < 24 * 3600
