"""With which words a call is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elmo.errors import InputError


def refusal(call: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """The one line of the `InputError` that a call with these arguments ends with."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message
    return message
