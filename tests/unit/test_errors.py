"""Errors that are told in other words stay what they are."""

from __future__ import annotations

import pickle

import pytest

from filewallball.errors import ConfigError, UserError
from filewallball.kube import KubeError, Unreachable

ERRORS = [
    UserError("it broke", "Mend it."),
    ConfigError("it is wrong", "Write it anew."),
    Unreachable("https://127.0.0.1:1", "here", "refused"),
    KubeError(403, "Forbidden", "no"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_other_words_and_the_same_error(error: UserError) -> None:
    told = error.retold("the message", "The hint.")
    assert type(told) is type(error)
    assert (str(told), told.exit_code) == ("the message\n  The hint.", error.exit_code)
    assert told.args == ("the message",)
    assert error.message != "the message"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_another_process_can_be_told(error: UserError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again)) == (type(error), str(error))
