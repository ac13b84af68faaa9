"""What --amp means on this machine: chosen before a run, said in the log, and refused in one line where it can't be."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from elmo.errors import InputError
from elmo.nn import native
from elmo.nn.native import build
from elmo.nn.native.precision import choose_precision, describe_precision, products_in
from elmo.runtime import paddle
from tests.commands import COMMAND, run_python

NO_INSTRUCTIONS = "this processor has neither AMX nor AVX-512 with bfloat16"


@pytest.fixture(params=[None, NO_INSTRUCTIONS])
def refusal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """A machine that can multiply in bfloat16, and one that can't."""
    monkeypatch.setattr(native, "bfloat16_refusal", lambda: request.param)
    monkeypatch.setattr(native, "bfloat16_instructions", lambda: "AMX")
    monkeypatch.setattr(native, "bfloat16_drawback", lambda: None)
    return request.param


def test_auto_takes_bfloat16_where_it_can_and_says_why_not(refusal):
    chosen = choose_precision("auto")
    assert chosen == ("bf16" if refusal is None else "none")
    if refusal is None:
        assert describe_precision(chosen) == "products in bfloat16 (AMX)"
    else:
        assert describe_precision(chosen) == f"products in float32 (not in bfloat16: {NO_INSTRUCTIONS})"


@pytest.mark.parametrize(
    ("vendor", "instructions", "chosen"),
    [
        ("AuthenticAMD", "AVX-512 BF16", "bf16"),
        ("GenuineIntel", "AMX", "bf16"),
        ("GenuineIntel", "AVX-512 BF16", "none"),
    ],
)
def test_auto_takes_what_is_faster_on_this_kind_of_processor(monkeypatch, vendor, instructions, chosen):
    monkeypatch.setattr(build, "read_cpuinfo", lambda: f"processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: X\n")
    monkeypatch.setattr(build, "bfloat16_instructions", lambda: instructions)
    monkeypatch.setattr(native, "bfloat16_instructions", lambda: instructions)
    monkeypatch.setattr(native, "bfloat16_refusal", lambda: None)
    assert choose_precision("auto") == chosen
    assert choose_precision("bf16") == "bf16"  # who asks for it gets it
    slower = "products in float32 (not in bfloat16: an Intel processor that shows no AMX is slower in it)"
    assert describe_precision(chosen) == (slower if chosen == "none" else f"products in bfloat16 ({instructions})")


def test_bf16_is_refused_where_it_cannot_be(refusal):
    with nullcontext() if refusal is None else pytest.raises(InputError) as refused:
        assert choose_precision("bf16") == "bf16"
    if refusal is not None:
        assert str(refused.value) == f"amp is 'bf16': {NO_INSTRUCTIONS}; give auto or none"
        with pytest.raises(InputError, match=f"products in bfloat16 can't be made here: {NO_INSTRUCTIONS}"):
            native.bfloat16_products().__enter__()


@pytest.mark.usefixtures("refusal")
def test_float32_is_always_there_and_half_precision_never():
    assert choose_precision("none") == "none"
    with pytest.raises(InputError, match="amp is 'fp16': on a CPU give bf16, auto or none"):
        choose_precision("fp16")


def test_a_loss_is_computed_in_what_was_chosen():
    with products_in("none"):
        assert native.product_type(paddle.float32) == paddle.float32
    if native.bfloat16_refusal() is None:
        with products_in("bf16"):
            assert native.product_type(paddle.float32) == paddle.bfloat16


REPORT = """
from elmo.errors import InputError
from elmo.nn.native.precision import choose_precision, describe_precision
print(describe_precision(choose_precision("auto")))
try:
    choose_precision("bf16")
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({native.SWITCH: "0"}, "compiled loops are off: ELMO_NATIVE=0"),
        ({"CXX": "/nonexistent"}, "compiled loops are off: no C++ compiler (g++ or clang++) was found"),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, NO_INSTRUCTIONS),
        ({"DNNL_MAX_CPU_ISA": "AVX2"}, NO_INSTRUCTIONS),
    ],
)
def test_machines_that_cannot_go_on_in_float32_and_say_so(variables, reason):
    if reason == NO_INSTRUCTIONS and not native.onednn():
        pytest.skip(f"compiled loops are {native.status()}, or this Paddle has no oneDNN to ask")
    found = run_python(REPORT, **{native.SWITCH: "1", **variables})
    assert found.stdout.splitlines() == [
        f"products in float32 (not in bfloat16: {reason})",
        f"amp is 'bf16': {reason}; give auto or none",
    ]


def test_the_command_ends_with_2_and_one_line(tmp_path: Path):
    (tmp_path / "shard").write_text("我 昨天 买 了 一 斤 苹果\n" * 20, encoding="utf-8")
    (tmp_path / "vocab").write_text("<S>\n</S>\n<UNK>\n我\n昨天\n买\n", encoding="utf-8")
    files = ["--train_path", tmp_path / "shard", "--test_path", tmp_path / "shard", "--vocab_path", tmp_path / "vocab"]
    sizes = "--embed_size 4 --hidden_size 8 --batch_size 2 --num_steps 5 --n_negative_samples_batch 2 --use_gpu False"
    arguments = ["pretrain", *files, "--para_save_dir", tmp_path / "out", *sizes.split(), "--amp", "bf16"]
    ended = run_python(COMMAND, *arguments, check=False, **{native.SWITCH: "0"})
    assert ended.returncode == 2, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if "amp is" in line]
    assert len(lines) == 1 and lines[0].endswith(
        "amp is 'bf16': compiled loops are off: ELMO_NATIVE=0; give auto or none"
    )
    assert "Traceback" not in ended.stderr and not (tmp_path / "out").exists()
