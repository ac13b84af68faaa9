"""Which processor this is: speeds, and what is rounded, can't be compared between two kinds."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from elmo.nn import native
from elmo.runtime import available_cores
from elmo.system.machine import processor_name


def describe_processor() -> dict[str, Any]:
    """Return `name`, `cores` that may be used, and `bfloat16`: its instructions for such products, None without."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        cpuinfo = ""
    refused = native.bfloat16_refusal() is not None
    return {
        "name": processor_name(cpuinfo) or platform.processor() or platform.machine(),
        "cores": available_cores(),
        "bfloat16": None if refused else native.bfloat16_instructions(),
    }
