"""What benchmarks make of their measurements; what they measure is not tested here."""

from __future__ import annotations

import argparse
import cProfile
import dataclasses
import importlib
import json
import pstats
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks import bf16_learning, lac, scaling
from benchmarks.bf16_learning import summarise
from benchmarks.lac import NumpyNetwork
from benchmarks.pretrain import BEFORE, Program, System, programs
from benchmarks.pretrain_bilm_systems import Ours, PlainPaddle
from benchmarks.pretrain_masked_systems import is_linear
from benchmarks.pretrain_results import add_size, compare, processor_key
from benchmarks.pretrain_sizes import SIZES, MaskedSize, Size, make_arrays
from benchmarks.step_profile import Named, classify
from benchmarks.step_profile import summarise as summarise_profile
from elmo.errors import InputError
from elmo.nn import native
from elmo.nn.native.processor import describe_processor
from elmo.system.machine import processor_name
from elmo.tagging.network import TaggerConfig, TaggerInput, TaggerNetwork
from elmo.text.vocabulary import Vocabulary
from elmo.training.bilm import pretrain
from elmo.training.settings import PretrainSettings

# Those that a person starts; the others are parts of them, or, as pretrain_systems.py, started by them.
COMMANDS = [
    path.stem
    for path in sorted(Path(scaling.__file__).parent.glob("*.py"))
    if "ArgumentParser" in path.read_text(encoding="utf-8")
]
AMX = {"name": "Xeon", "cores": 2, "bfloat16": "AMX"}
OLD = {"name": "Core 2", "cores": 2, "bfloat16": None}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_says_what_it_is_and_takes(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main()
    assert ended.value.code == 0
    assert f"usage: {name}.py" in capsys.readouterr().out


def speed(per_second: float) -> dict[str, float]:
    return {"per_second": per_second, "per_cpu_second": per_second / 2}


def test_ratios_are_those_within_a_round():
    rounds = [
        {"ours": speed(100), "ours, bf16": speed(300), "torch": speed(50)},
        {"ours": speed(10), "ours, bf16": speed(20), "torch": speed(20)},
        {"ours": speed(40), "ours, bf16": speed(100), "torch": speed(40)},
    ]
    compared = compare(rounds)
    assert compared["torch"]["per_second"] == {"median": 40, "min": 20, "max": 50}
    assert compared["torch"]["multiples"]["ours"]["per_second"] == {"median": 1, "min": 0.5, "max": 2}
    assert compared["torch"]["multiples"]["ours, bf16"]["per_cpu_second"] == {"median": 2.5, "min": 1, "max": 6}
    assert compared["ours"]["multiples"].keys() == {"ours, bf16"}
    assert compared["ours, bf16"]["multiples"] == {}
    assert compare([{"ours": speed(1), "torch": speed(2)}])["torch"]["multiples"].keys() == {"ours"}


def test_results_of_another_processor_and_of_other_sizes_stay():
    order = ["small", "larger", "bert"]
    results = add_size({}, OLD, "bilm", "larger", {"speed": 1}, order)
    results = add_size(results, AMX, "bilm", "larger", {"speed": 2}, order)
    results = add_size(results, AMX, "masked", "bert", {"speed": 3}, order)
    results = add_size(results, AMX, "bilm", "small", {"speed": 4}, order)
    results = add_size(results, AMX, "bilm", "larger", {"speed": 5}, order)
    old, new = (results["machines"][processor_key(each)] for each in (OLD, AMX))
    assert old == {"processor": OLD, "sizes": {"larger": {"speed": 1}}, "masked_sizes": {}}
    assert list(new["sizes"].items()) == [("small", {"speed": 4}), ("larger", {"speed": 5})]
    assert new["masked_sizes"] == {"bert": {"speed": 3}}
    assert results["latest"] == processor_key(AMX) != processor_key(OLD)


def test_products_in_bfloat16_are_measured_where_the_processor_can(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "bfloat16_refusal", lambda: None)
    assert list(programs("masked", "python", tmp_path)) == ["ours", "ours, bf16", BEFORE, "torch", "torch, bf16"]
    monkeypatch.setattr(native, "bfloat16_refusal", lambda: "it is too old")
    found = programs("bilm", None, None)
    assert list(found) == ["ours", "plain", "plain, our environment", "lstm", "lstm, our environment"]
    assert {name for name, program in found.items() if not program.our_environment} == {"plain", "lstm"}


def test_a_masked_batch_hides_as_many_tokens_of_each_sequence_and_none_at_its_ends():
    size = MaskedSize(vocab_size=50, hidden_size=8, num_layers=1, num_heads=2, intermediate_size=8, batch_size=3)
    arrays = make_arrays(size)
    rows, columns = np.divmod(arrays["places"], size.max_length)
    assert np.bincount(rows).tolist() == [size.masked] * 3
    assert len(set(arrays["places"])) == len(arrays["targets"]) == 3 * size.masked
    assert columns.min() >= 1
    assert columns.max() <= size.max_length - 2


def test_plain_paddle_and_ours_find_the_same_loss_and_it_depends_on_the_states():
    size = Size(40, embed_size=6, hidden_size=10, batch_size=3, num_steps=4, num_samples=12)
    arrays, fields = make_arrays(size), dataclasses.asdict(size)
    ours = Ours(fields, arrays, "none").loss()
    for lstm in (False, True):
        assert PlainPaddle(fields, arrays, lstm=lstm).loss() == pytest.approx(ours, rel=1e-5)
    changed = arrays | {"backward_layers.1.recurrent_weight": 0 * arrays["backward_layers.1.recurrent_weight"]}
    assert abs(Ours(fields, changed, "none").loss() / ours - 1) > 1e-4


@pytest.mark.slow
def test_a_system_answers_orders(tmp_path, repository):
    size = MaskedSize(vocab_size=50, hidden_size=8, num_layers=1, num_heads=2, intermediate_size=8, batch_size=3)
    np.savez(tmp_path / "arrays.npz", **make_arrays(size))
    (tmp_path / "size.json").write_text(json.dumps(dataclasses.asdict(size) | {"objective": "masked", "threads": 1}))
    system = System("ours", Program("elmo", path=str(repository)), tmp_path)
    assert abs(system.loss - np.log(50)) < 1
    for work in ("train", "encode", "product"):
        assert system.order(work, 2).keys() == {"seconds", "cpu_seconds"}
    memory = system.order("memory", 0)
    assert 10 < memory["built"] <= memory["peak"]
    system.stop()
    assert system.process.returncode == 0


@pytest.mark.parametrize(
    ("name", "turned"),
    [
        ("encoder.blocks.0.qkv.weight", True),
        ("head.transform.weight", True),
        ("encoder.blocks.0.output_norm.weight", False),
        ("encoder.token_embedding", False),
        ("head.transform.bias", False),
    ],
)
def test_weights_that_pytorch_has_transposed(name, turned):
    assert is_linear(name) is turned


def test_the_work_of_a_step_is_counted_by_its_products():
    size = MaskedSize()
    rows, inner = size.batch_size * size.max_length, size.intermediate_size
    linear = 2 * rows * size.hidden_size * (3 * size.hidden_size + size.hidden_size + 2 * inner)
    attention = 2 * 2 * rows * size.max_length * size.hidden_size
    head = 2 * size.batch_size * size.masked * size.hidden_size * (size.hidden_size + size.vocab_size)
    assert size.step_gflop == pytest.approx(3 * (4 * (linear + attention) + head) / 1e9)
    assert SIZES["small"].step_gflop == pytest.approx(22.15, abs=0.01)


def run_of(perplexity: float) -> dict[str, float]:
    return {"perplexity": perplexity}


def test_runs_are_compared_with_float32_of_their_seed_and_the_mean_ratio_has_an_interval():
    runs = {
        "0": {"float32": run_of(100.0), "bf16": run_of(101.0), "control": run_of(100.0)},
        "1": {"float32": run_of(200.0), "bf16": run_of(198.0)},
        "2": {"float32": run_of(50.0), "bf16": run_of(51.0)},
        "3": {"float32": run_of(50.0)},
    }
    summary = summarise(runs)
    assert summary["seeds"]["0"] == {"float32": 100.0, "bf16": 101.0, "control": 100.0}
    ratio = summary["ratios"].pop("bf16")
    assert summary["ratios"] == {}  # one control has no interval
    assert ratio["mean"] == pytest.approx((1.01 + 0.99 + 1.02) / 3)
    assert ratio["high"] - ratio["mean"] == pytest.approx(4.302653 * 0.0152753 / 3**0.5, rel=1e-5)
    assert summary["within_bound"]
    runs["2"]["bf16"] = run_of(54.0)
    assert not summarise(runs)["within_bound"]
    assert summarise({"0": runs["0"]}).keys() == {"seeds", "ratios"}


@pytest.mark.parametrize("kind", ["bilm", "masked"])
def test_a_run_takes_the_first_steps_of_an_epoch_and_asks_for_text_that_has_as_many(tmp_path, monkeypatch, kind):
    small = {"bilm": {"embed_size": 4, "hidden_size": 6}, "masked": {"hidden_size": 8, "num_layers": 1, "num_heads": 2}}
    monkeypatch.setattr(bf16_learning, "SIZES", small)
    text = tmp_path / "shard"
    text.write_text("我 买 苹果 。\n他 走 了 。\n" * 100, encoding="utf-8")
    settings = dataclasses.replace(
        bf16_learning.SETTINGS[kind],
        batch_size=2,
        amp="none",
        warmup_steps=0,
        **({"num_steps": 5} if kind == "bilm" else {}),
    )
    vocabulary = bf16_learning.make_vocabularies(str(text))[kind]
    objective = bf16_learning.make_objective(kind, vocabulary, str(text), str(text), settings)
    there = objective.batches_per_epoch()
    with pytest.raises(InputError, match=f"has {there} batches, not 5,000: give more of it"):
        bf16_learning.train_run(objective, settings, 5000)
    scores = bf16_learning.train_run(objective, settings, 3)
    assert 1 < scores["perplexity"] < 1000 and scores["training_loss"] > 0


def test_a_processor_is_named_as_it_names_itself():
    text = (
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Processor @ 2.10GHz\nflags\t: mmx\n"
    )
    assert processor_name(text) == "Intel(R) Xeon(R) Processor @ 2.10GHz"
    assert processor_name("processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd0c\n") is None


def test_a_processor_that_makes_no_products_in_bfloat16_says_so(monkeypatch):
    monkeypatch.setattr(native, "bfloat16_refusal", lambda: "it is too old")
    assert describe_processor()["bfloat16"] is None
    monkeypatch.setattr(native, "bfloat16_refusal", lambda: None)
    monkeypatch.setattr(native, "bfloat16_instructions", lambda: "AMX")
    described = describe_processor()
    assert described["bfloat16"] == "AMX"
    assert described["name"]
    assert described["cores"] >= 1


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (("step_profile.py", 1, "elmo_lstmp_forward_bfloat16"), ("compiled functions", "lstmp_forward_bfloat16")),
        (("step_profile.py", 1, "elmo_product_float32 8 x 4, 2"), ("products", "product_float32 8 x 4, 2")),
        (("step_profile.py", 1, "elmo_adam"), ("optimiser", "adam")),
        (("~", 0, "<built-in method paddle.base.libpaddle.eager.ops.adagrad_>"), ("optimiser", "adagrad_")),
        (("~", 0, "<built-in method paddle.base.libpaddle.eager.ops.matmul>"), ("Paddle's operations", "matmul")),
        (("/lib/paddle/nn/layer/layers.py", 9, "__call__"), ("Paddle's Python", "layers.py: __call__")),
        (("/home/elmo/nn/lstmp.py", 9, "forward"), ("our Python", "lstmp.py: forward")),
        (("~", 0, "<built-in method numpy.array>"), ("NumPy", "numpy.array")),
        (("~", 0, "<built-in method builtins.len>"), ("Python", "builtins.len")),
        (("~", 0, "<method 'append' of 'list' objects>"), ("Python", "append")),
    ],
)
def test_a_line_of_a_profile_is_of_a_kind(place, found):
    assert classify(place) == found


def test_a_profile_adds_up_what_has_one_name_and_begins_with_the_slowest():
    matmul = "<built-in method paddle.base.libpaddle.eager.ops.matmul>"
    timings = {
        ("~", 0, "<built-in method builtins.len>"): (9, 0.5),
        ("~", 0, matmul): (1, 0.25),
        ("~", 1, matmul): (2, 0.75),
        ("~", 0, "<built-in method paddle.base.libpaddle.eager.ops.add>"): (1, 2.0),
    }
    kinds = summarise_profile(timings)
    assert list(kinds) == ["Paddle's operations", "Python"]
    assert list(kinds["Paddle's operations"].items()) == [("add", (1, 2.0)), ("matmul", (3, 1.0))]


def test_a_compiled_function_has_its_name_in_a_profile_and_a_product_its_shape():
    class Library:
        elmo_product_float32 = staticmethod(lambda *sizes: sum(sizes))
        elmo_adam = staticmethod(lambda step: step + 1)

    profiler = cProfile.Profile()
    named = Named(Library)
    assert profiler.runcall(named.elmo_product_float32, 8, 4, 2, 0, 1) == 15
    assert profiler.runcall(named.elmo_product_float32, 8, 4, 3, 0, 1) == 16
    assert profiler.runcall(named.elmo_adam, 1) == 2
    found = {function for _, _, function in pstats.Stats(profiler).stats}
    assert {"elmo_product_float32 8 x 4, 2", "elmo_product_float32 8 x 4, 3", "elmo_adam"} <= found


def test_checkouts_that_are_compared_tag_the_same_sentences_whatever_modules_they_have(monkeypatch):
    ours = lac.read_sentences(None, 5)
    monkeypatch.setitem(sys.modules, "elmo.system.project", None)  # as in an earlier checkout
    assert lac.read_sentences(None, 5) == ours and len(ours) == 5


def test_lac_in_numpy_answers_as_paddle_does():
    network = TaggerNetwork(TaggerConfig(("n", "v", "PER"), 11, embedding_size=5, hidden_size=4))
    generator = np.random.default_rng(0)
    sentences = []
    for length in (3, 1, 6):
        ids, zeros = generator.integers(11, size=length), np.zeros(length, np.int64)
        sentences.append(TaggerInput(["字"] * length, ids, np.arange(length), zeros, ["字"] * length))
    assert NumpyNetwork(network).decode(sentences) == network.decode(sentences)


def test_a_study_of_sizes_reads_its_runs_and_measures_their_speed(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "STEPS", 1)
    text = tmp_path / "shard"
    text.write_text("我 买 苹果 。\n他 走 了 。\n" * 20, encoding="utf-8")
    Vocabulary.from_counts(dict.fromkeys("我买他走了。", 2)).save(tmp_path / "vocabulary.txt")
    settings = PretrainSettings(max_epoch=1, batch_size=2, num_steps=5, n_negative_samples_batch=4)
    sizes = {"embed_size": 4, "hidden_size": 6, "num_layers": 1}
    folder = str(tmp_path / "run")
    paths = [str(text), str(tmp_path / "vocabulary.txt")]
    pretrain(*paths, test_path=str(text), para_save_dir=folder, sizes=sizes, settings=settings)
    checkpoint = tmp_path / "run/epoch_001"
    log = tmp_path / "log"
    log.write_text(
        "step 3: training loss 5.5, 10 tokens/s\nstep 3: perplexity 9.5, forward perplexity 9, backward perplexity 10\n"
    )
    arguments = argparse.Namespace(runs=[checkpoint], curve=log, end=checkpoint, end_after=4)
    found = scaling.measure(arguments, Console())
    (run,) = found["runs"]
    assert (run["embed_size"], run["hidden_size"], run["num_layers"]) == (4, 6, 1)
    assert 1 < run["perplexity"] < 20 and run["words"] > 100
    assert run["core_hours"] == pytest.approx(run["words"] / run["words_per_core_second"]["median"] / 3600)
    assert [(point["words"], point["perplexity"]) for point in found["long_run"]] == [(30, 9.5)]
    assert found["end"]["words_before"] == 40 and found["end"]["core_hours"] > run["core_hours"]
    with pytest.raises(InputError, match="held-out perplexity"):
        pretrain(*paths, para_save_dir=str(tmp_path / "blind"), sizes=sizes, settings=settings)
        scaling.read_run(tmp_path / "blind/epoch_001")
