"""In which precision a run multiplies: what `--amp` means on a CPU and on a GPU, chosen once, before the run begins.

- "none": float32.
- "bf16": bfloat16 factors, float32 sums. On a CPU it takes AMX or AVX-512 with bfloat16, and only products of our own
  layers are affected (`elmo.nn.native`); on a GPU it is Paddle's `auto_cast`, untested.
- "fp16": on a GPU only, with loss scaling; untested.
- "auto": "bf16" on a CPU that is faster in it, else "none".
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from elmo.errors import InputError
from elmo.nn import native
from elmo.runtime import paddle

PRECISIONS = ("auto", "none", "bf16", "fp16")
_TYPES = {"bf16": "bfloat16", "fp16": "float16"}


def choose_precision(amp: str) -> str:
    """Return "none", "bf16" or "fp16" for one of these or "auto", on the device that is set.

    Raises:
        InputError: this machine can't; says why.
    """
    if paddle.get_device() != "cpu":
        return "none" if amp == "auto" else amp
    if amp == "fp16":
        raise InputError("amp is 'fp16': on a CPU give bf16, auto or none")
    if amp == "none":
        return amp
    refusal = native.bfloat16_refusal()
    if amp == "auto":
        return "none" if refusal or native.bfloat16_drawback() else "bf16"
    if refusal is not None:
        raise InputError(f"amp is 'bf16': {refusal}; give auto or none")
    return amp


def describe_precision(amp: str) -> str:
    """What a chosen precision means on this machine, for the log."""
    if paddle.get_device() != "cpu":
        return "float32" if amp == "none" else f"mixed precision in {_TYPES[amp]}"
    if amp == "bf16":
        return f"products in bfloat16 ({native.bfloat16_instructions()})"
    reason = native.bfloat16_refusal() or native.bfloat16_drawback()
    return "products in float32" + ("" if reason is None else f" (not in bfloat16: {reason})")


def products_in(amp: str) -> AbstractContextManager[object]:
    """Within it, a training loss and its gradients are computed in a chosen precision."""
    if paddle.get_device() != "cpu":
        return paddle.amp.auto_cast(enable=amp != "none", dtype=_TYPES.get(amp, "float16"))  # type: ignore[no-any-return]
    return native.bfloat16_products() if amp == "bf16" else nullcontext()
