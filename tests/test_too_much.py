"""What asks for more than there can be is refused: configurations, numbers, environment, disks, servers."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from elmo import runtime
from elmo.bilm import elmo_encoder
from elmo.checks import LARGEST_SEED
from elmo.convert import read_any
from elmo.encoding import vectors_file
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import load_pretrained
from elmo.encoding.vectors_file import parse_layers, read_vectors, write_vectors
from elmo.errors import InputError
from elmo.explore.describe import describe_model, render
from elmo.masked_lm import MaskedLMConfig
from elmo.model_sizes import check_config
from elmo.models import ModelFiles, export_model, read_model, write_model
from elmo.tagging.tagger import Tagger
from elmo.tagging.train import TrainSettings
from elmo.text.pieces import PieceVocabulary
from elmo.text.preprocess import preprocess
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.training import ranks
from elmo.training.settings import PretrainSettings
from elmo.word_vectors import SkipGramConfig, WordVectors
from tests.commands import COMMAND, elmo, run_python
from tests.refusals import refusal

FILES = ModelFiles("skipgram", {"vector_size": 2}, Vocabulary(SPECIAL_TOKENS), {"vectors": np.ones((3, 2), np.float32)})


def with_config(source: Path, target: Path, **changes: Any) -> Path:
    """A copy of a model whose configuration says something else."""
    files = read_model(source)
    config = json.loads(json.dumps(files.config))
    for name, value in changes.items():
        *above, last = name.split("__")
        inner = config
        for each in above:
            inner = inner[each]
        inner[last] = value
    return write_model(target, ModelFiles(files.kind, config, files.vocabulary, files.arrays, files.provenance))


# Each of these would take hours or all memory; the test's own limits stop it if it is tried.
pytestmark = pytest.mark.timeout(60)
HUGE = [pytest.param(10**9, id="10^9"), pytest.param(1 << 40, id="2^40"), pytest.param(10**4000, id="10^4000")]


@pytest.fixture(autouse=True)
def little_memory():
    """Let this process grow by 6 GB at most, so that a test that fails does not take the machine along."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + (6 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("size", HUGE)
@pytest.mark.parametrize("field", ["num_layers", "hidden_size", "embed_size", "vocab_size"])
def test_a_bilm_is_not_built_larger_than_its_file(data, tmp_path, field, size):
    model = with_config(data / "models/elmo-zh-small", tmp_path / "m", **{field: size})
    for use in (load_pretrained, elmo_encoder, describe_model, read_any):
        with pytest.raises(InputError, match=f"its configuration says {field}"):
            use(model)


@pytest.mark.parametrize("size", HUGE)
@pytest.mark.parametrize("field", ["num_layers", "hidden_size", "intermediate_size", "max_length", "type_vocab_size"])
def test_nor_is_a_masked_model(data, tmp_path, field, size):
    model = with_config(data / "models/bert-zh-small", tmp_path / "m", **{field: size})
    for use in (Bert.from_pretrained, describe_model):
        with pytest.raises(InputError, match=f"its configuration says {field}"):
            use(model)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"token_encoder": {"filters": [[1, 1 << 40]]}},
        {"token_encoder": {"filters": [[1, 1]] * 100_000}},
        {"token_encoder": {"num_highway": 10**9}},
        {"token_encoder": {"max_characters": 1 << 40}},
        {"token_encoder": {"char_embed_size": 1 << 40}},
        {"num_layers": True},
        {"num_layers": "many"},
        {"num_layers": 2.5},
        {"num_layers": None},
        {"num_layers": [1]},
        {"token_encoder": {"alphabet": 3, "filters": 3, "word_embed_size": "x", "max_characters": 3}},
        {"token_encoder": [1]},
    ],
)
def test_odd_configurations_are_named(data, tmp_path, change):
    model = with_config(data / "models/elmo-zh-small", tmp_path / "m", **change)
    with pytest.raises(InputError):
        load_pretrained(model)
    with pytest.raises(InputError):
        render(describe_model(model))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("elmo-zh-small", {"cell_clip": float("nan")}, "cell_clip is nan: give"),
        ("elmo-zh-small", {"proj_clip": -1}, "proj_clip is -1: give"),
        ("elmo-zh-small", {"bos_id": 10**30}, "bos_id is 10"),
        ("elmo-zh-small", {"dropout": float("nan")}, "dropout is nan: give"),
        ("elmo-zh-small", {"token_encoder": [[]]}, r"token_encoder is \[\[\]\]"),
        ("elmo-zh-small", {"sizes": 3}, "unknown field 'sizes'"),
        ("bert-zh-small", {"num_heads": 0}, "num_heads is 0: give"),
        ("bert-zh-small", {"num_heads": 7}, "hidden_size is .* give a multiple of num_heads, 7"),
        ("bert-zh-small", {"hidden_act": "sin"}, "hidden_act is 'sin': give"),
        ("bert-zh-small", {"layer_norm_eps": float("nan")}, "layer_norm_eps is nan: give"),
    ],
)
def test_info_refuses_a_configuration_as_encode_does(data, tmp_path, name, change, told):
    model = with_config(data / "models" / name, tmp_path / "m", **change)
    load = load_pretrained if name.startswith("elmo") else Bert.from_pretrained
    for use in (load, describe_model):
        with pytest.raises(InputError, match=f"{told}.*; copy or download it again") as caught:
            use(model)
        assert str(caught.value).startswith(f"{model}: its configuration is damaged (")


def test_info_refuses_a_vocabulary_as_encode_does(data, tmp_path):
    model = Path(shutil.copytree(data / "models/elmo-zh-small", tmp_path / "m"))
    (model / "vocabulary.txt").write_text("<S>\n</S>\n<UNK>\n我\n", encoding="utf-8")
    for use in (load_pretrained, describe_model):
        with pytest.raises(InputError, match="not the vocabulary this model was trained with"):
            use(model)


def test_what_is_too_much_ends_with_the_next_step(data, tmp_path):
    model = with_config(data / "models/elmo-zh-small", tmp_path / "m", token_encoder={"filters": [[1, 1]] * 1000})
    with pytest.raises(InputError, match="1,000 filters, more than the file holds; copy or download it again"):
        describe_model(model)
    with pytest.raises(InputError, match=r"has 71 dimensions, .*; copy or download it again"):
        check_config("bilm", {}, {"a": (1,) * 71}, "m")


def test_word_vectors_and_taggers_too(tmp_path):
    write_model(tmp_path / "w", ModelFiles("skipgram", {"vector_size": 1 << 40}, FILES.vocabulary, FILES.arrays))
    with pytest.raises(InputError, match="vector_size"):
        WordVectors.load(tmp_path / "w")
    for field in ("num_layers", "hidden_size", "embedding_size", "num_words"):
        config = {"tags": ["n"], "num_words": 3, "embedding_size": 2, "hidden_size": 2, "num_layers": 1, field: 10**9}
        arrays = {"embedding.weight": np.ones((3, 2), np.float32)}
        write_model(tmp_path / field, ModelFiles("tagger", config, FILES.vocabulary, arrays))
        with pytest.raises(InputError, match=field):
            Tagger.from_pretrained(tmp_path / field)


def test_a_public_configuration_of_10_to_the_9_layers(repository, tmp_path):
    folder = Path(shutil.copytree(repository / "tests/convert/transformers/BertForMaskedLM", tmp_path / "m"))
    config = json.loads((folder / "config.json").read_text())
    for value in ((1 << 24) - 1, 10**9, 1 << 40):
        (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": value}))
        for use in (Bert.from_pretrained, describe_model):
            with pytest.raises(InputError, match=r"layers|num_hidden_layers"):
                use(folder)


@pytest.mark.parametrize("dimensions", [9, 33, 64])
def test_tensors_of_70_dimensions(tmp_path, dimensions):
    write_model(tmp_path / "m", FILES)
    path = tmp_path / "m/model.safetensors"
    blob = path.read_bytes()
    length = int.from_bytes(blob[:8], "little")
    for count in (dimensions, 70):
        header = json.loads(blob[8 : 8 + length])
        header["vectors"]["shape"] = [1] * (count - 1) + [6]
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + blob[8 + length :])
        for use in (read_model, describe_model, WordVectors.load):
            with pytest.raises(InputError, match=rf"'vectors' has {count} dimensions"):
                use(tmp_path / "m")


@pytest.mark.parametrize("kind", ["bilm", "masked_lm", "tagger"])
def test_a_kind_that_its_parameters_belie_is_refused(tmp_path, kind):
    write_model(tmp_path / "m", ModelFiles(kind, FILES.config, FILES.vocabulary, FILES.arrays))
    with pytest.raises(InputError, match=f"is a {kind} model, and its parameters are those of a skipgram"):
        read_model(tmp_path / "m")
    with pytest.raises(InputError, match="those of a skipgram"):
        export_model(tmp_path / "m", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_models_own_story_can_be_anything(tmp_path):
    for provenance in ({"runs": 3}, {"runs": [3]}, {"runs": [{"tokens_read": "x"}]}, {"runs": {"a": 1}}):
        files = ModelFiles("skipgram", FILES.config, FILES.vocabulary, FILES.arrays, provenance)
        write_model(tmp_path / "m", files, overwrite=True)
        with pytest.raises(InputError, match=f"{tmp_path}/m: what its header says of the model is damaged"):
            render(describe_model(tmp_path / "m"))


# Numbers


@pytest.mark.parametrize(
    "value",
    [1 << 31, 1 << 63, 1 << 64, 10**5000, -(1 << 70), -(10**5000)],
    ids=["31", "63", "64", "long", "-70", "-long"],
)
def test_sizes_and_seeds_beyond_64_bits_are_refused(value):
    for make in (
        lambda: PretrainSettings(batch_size=value),
        lambda: SkipGramConfig(vector_size=value),
        lambda: TrainSettings(batch_size=value),
        lambda: MaskedLMConfig(10, num_layers=value),
    ):
        assert len(refusal(make)) < 200
    if not 0 <= value <= LARGEST_SEED:
        for make in (
            lambda: PretrainSettings(random_seed=value),
            lambda: SkipGramConfig(seed=value),
            lambda: TrainSettings(random_seed=value),
            lambda: runtime.seed_everything(value),
        ):
            with pytest.raises(InputError, match="seed is"):
                make()
    else:
        assert PretrainSettings(random_seed=value).random_seed == value


@pytest.mark.parametrize(
    "flags",
    [
        ["encode", "elmo-zh-small", "none", "--output", "v.npz", "--batch_size", "99999999999999999999999"],
        ["encode", "elmo-zh-small", "none", "--output", "v.npz", "--batch_size", "2000000000"],
        ["pretrain", "--train_path", "none", "--vocab_path", "none", "--batch_size", "2000000000"],
        ["vocab", "none", "--output", "v", "--min_count", str(1 << 63)],
        ["vocab", "none", "--output", "v", "--max_size", str(-(1 << 65))],
        ["word2vec", "none", "--output", "v", "--random_seed", str(1 << 64)],
        ["word2vec", "none", "--output", "v", "--random_seed", "-1"],
        ["word2vec", "none", "--output", "v", "--learning_rate", "nan"],
        ["word2vec", "none", "--output", "v", "--sample", "inf"],
        ["lac", "train", "--save_dir", "v", "--random_seed", str(1 << 64)],
        ["lac", "train", "--save_dir", "v", "--hidden_size", str(1 << 40)],
        ["preprocess", "none", "--output", "v", "--workers", str(1 << 40)],
        ["eval", "perplexity", "none", "--test_path", "x", "--output", "v", "--batch_size", str(1 << 64)],
        ["encode", "elmo-zh-small", "none", "--output", "v.npz", "--layers", "9" * 5000],
    ],
)
def test_commands_refuse_them_in_one_line(flags, tmp_path):
    done = run_python(COMMAND, *flags, cwd=tmp_path, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.count("\n") < 9
    assert os.listdir(tmp_path) == []


def test_so_do_functions(tmp_path):
    with pytest.raises(InputError, match="layers is"):
        parse_layers("9" * 5000)
    (tmp_path / "text").write_text("我")
    for workers in (1 << 20, 1 << 64):
        with pytest.raises(InputError, match="give a whole number from 1 to 1024"):
            preprocess([tmp_path / "text"], tmp_path / "out", workers=workers)


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        ({"PADDLE_TRAINERS_NUM": "rubbish"}, "PADDLE_TRAINERS_NUM is 'rubbish'"),
        ({"PADDLE_TRAINERS_NUM": "9" * 5000}, "PADDLE_TRAINERS_NUM is '9"),
        ({"PADDLE_TRAINERS_NUM": "²"}, "PADDLE_TRAINERS_NUM"),
        ({"PADDLE_TRAINERS_NUM": "0"}, "PADDLE_TRAINERS_NUM is '0'"),
        ({"PADDLE_TRAINERS_NUM": "-2"}, "PADDLE_TRAINERS_NUM is '-2'"),
        ({"PADDLE_TRAINERS_NUM": ""}, "PADDLE_TRAINERS_NUM is ''"),
        ({"PADDLE_TRAINERS_NUM": "2", "PADDLE_TRAINER_ID": "2"}, "PADDLE_TRAINER_ID is '2'"),
        ({"PADDLE_TRAINERS_NUM": "2"}, "PADDLE_TRAINER_ID is not set"),
        ({"PADDLE_TRAINERS_NUM": "2", "PADDLE_TRAINER_ID": "x"}, "PADDLE_TRAINER_ID is 'x'"),
    ],
)
def test_rubbish_from_a_launcher_is_named(monkeypatch, variables, wrong):
    monkeypatch.delenv("PADDLE_TRAINER_ID", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for local in (True, False):
        message = refusal(ranks.join, local)
        assert wrong in message and len(message) < 250


@pytest.mark.parametrize("endpoint", [None, "rubbish"])
def test_processes_that_have_no_address_are_told_what_starts_them(endpoint):
    code = "from elmo.errors import InputError\nfrom elmo.training import ranks\ntry:\n    ranks.join(False)\n"
    code += "except InputError as error:\n    print(error)"
    endpoints = dict.fromkeys(("PADDLE_CURRENT_ENDPOINT", "PADDLE_TRAINER_ENDPOINTS"), endpoint)
    done = run_python(code, PADDLE_TRAINERS_NUM="2", PADDLE_TRAINER_ID="0", CUDA_VISIBLE_DEVICES="", **endpoints)
    assert "2 processes can't be joined" in done.stdout and done.stdout.count("\n") == 1 and len(done.stdout) < 500


@pytest.mark.parametrize("rank", ["rubbish", "-1", "", "9" * 5000])
def test_a_rank_that_is_no_number_is_named_before_paddle_reads_it(rank):
    code = "from elmo.errors import InputError\ntry:\n    from elmo.runtime import paddle\n"
    code += "except InputError as error:\n    print(error)"
    done = run_python(code, PADDLE_TRAINER_ID=rank)
    assert done.stdout.startswith("PADDLE_TRAINER_ID is ") and len(done.stdout) < 250


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["3000000000", "9" * 40, "4,3000000000", "0", "-1", "two", "", "2,", "²"])
def test_threads_that_no_machine_has_are_not_asked_for(threads):
    code = "import os, elmo; from elmo.runtime import paddle; paddle.ones([9, 9]) @ paddle.ones([9, 9])\n"
    code += (
        "from elmo.nn.lstmp import LSTMP; LSTMP(4, 4, 4)(paddle.ones([2, 3, 4])); print(os.environ['OMP_NUM_THREADS'])"
    )
    done = run_python(code, OMP_NUM_THREADS=threads)
    assert int(done.stdout) == runtime.available_cores() and "OMP_NUM_THREADS is" in done.stderr
    assert "libgomp" not in done.stderr and "OMP:" not in done.stderr


@pytest.mark.parametrize(
    ("named", "code", "told"),
    [("0,-1,1", 2, "not set up"), ("0,x", 2, "give each card once"), ("0,0", 2, "give each card once")],
)
def test_run_sh_reads_cards_as_cuda_does(repository, tmp_path, named, code, told):
    """A list ends at -1, so that 0,-1,1 is one card and needs no launcher; what is no list is refused."""
    (tmp_path / "run.sh").write_bytes((repository / "run.sh").read_bytes())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text(
        '#!/bin/sh\ncase "$1" in -c) exit 0;; esac\necho "not set up: $*" >&2; exit 2\n'
    )
    (tmp_path / "bin/python3").chmod(0o755)
    done = subprocess.run(
        ["bash", str(tmp_path / "run.sh")],
        env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": named},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code and told in done.stderr and "distributed.launch" not in done.stderr


# Vectors: full disks, and files that lead to others


def vectors(count: int = 2000):
    array = np.ones((3, 2, 64), np.float32)
    return ((["我", "买"], array) for _ in range(count))


@pytest.mark.parametrize("name", ["v.h5", "v.npz"])
@pytest.mark.parametrize("limit", [1_000, 200_000, 2_000_000])
def test_a_full_disk_is_an_error_and_no_crash(tmp_path, name, limit):
    """A limit to the size of files fails in the same places as a full disk, and needs no rights."""
    code = (
        "import resource, sys, numpy as np\nfrom elmo.encoding.vectors_file import write_vectors\n"
        "from elmo.errors import InputError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "array = np.ones((3, 2, 64), np.float32)\n"
        "try: write_vectors(sys.argv[1], ((['a', 'b'], array) for _ in range(2000)))\n"
        "except InputError as error: print(error)\n"
    )
    done = run_python(code, tmp_path / name)
    assert "can't be written (File too large); choose another place" in done.stdout and os.listdir(tmp_path) == []


def test_every_size_of_disk_ends_well(tmp_path, monkeypatch):
    """Wherever the disk becomes full, in data or at the end, there is an error and no file."""
    write_vectors(tmp_path / "whole.h5", vectors(300))
    size, real = (tmp_path / "whole.h5").stat().st_size, vectors_file._Disk.write

    for share in (0.0, 0.01, 0.3, 0.6, 0.9, 0.97, 0.99, 0.999, 1.1):

        class Full(vectors_file._Disk):
            limit = int(share * size)

            def write(self, data):
                if self._error is None and self.tell() + memoryview(data).nbytes > self.limit:
                    self._error = OSError(28, "No space left on device")
                return real(self, data)

        monkeypatch.setattr(vectors_file, "_Disk", Full)
        if share > 1:
            write_vectors(tmp_path / "v.h5", vectors(300))
            assert len(read_vectors(tmp_path / "v.h5")[0]) == 300
        else:
            with pytest.raises(InputError, match="No space left on device"):
                write_vectors(tmp_path / "v.h5", vectors(300))
            assert os.listdir(tmp_path) == ["whole.h5"]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["0"] = np.full((1, 2), 42, np.float32)
    np.full((1, 2), 42, np.float32).tofile(tmp_path / "secret.bin")
    return tmp_path


LINKS = ["external link", "soft link", "external storage", "virtual", "group", "claim", "packed", "link to sentences"]


@pytest.mark.parametrize("kind", LINKS)
def test_a_file_of_vectors_leads_to_no_other(secret, kind):
    path = secret / "v.h5"
    write_vectors(path, [(["我"], np.ones((1, 1, 2), np.float32))], layers=0)
    with h5py.File(path, "r+") as file:
        del file["0"]
        if kind == "external link":
            file["0"] = h5py.ExternalLink(str(secret / "secret.h5"), "/0")
        elif kind == "soft link":
            file["x"] = h5py.ExternalLink(str(secret / "secret.h5"), "/0")
            file["0"] = h5py.SoftLink("/x")
        elif kind == "external storage":
            external = [(str(secret / "secret.bin"), 0, 8)]
            file.create_dataset("0", shape=(1, 2), dtype="f4", external=external)
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape=(1, 2), dtype="f4")
            layout[:] = h5py.VirtualSource(str(secret / "secret.h5"), "0", shape=(1, 2))
            file.create_virtual_dataset("0", layout)
        elif kind == "group":
            file.create_group("0")
        elif kind == "claim":
            file.create_dataset("0", shape=(1, 1 << 40), dtype="f4", chunks=(1, 1 << 10))
        elif kind == "packed":
            file.create_dataset("0", data=np.zeros((1, 2), np.float32), compression="lzf")
        else:
            file["0"] = np.ones((1, 2), np.float32)
            del file["sentences"]
            file["sentences"] = h5py.ExternalLink(str(secret / "secret.h5"), "/0")
    with pytest.raises(InputError, match="damaged or not a file of vectors"):
        read_vectors(path)


TRAININGS = {
    "pretrain": ["pretrain", "--train_path", "s", "--vocab_path", "v", "--para_save_dir", "ck", "--use_gpu", "False"],
    "pretrain_masked": [
        *("pretrain_masked", "--train_path", "s", "--vocab_path", "p", "--para_save_dir", "ck", "--use_gpu", "False"),
        *("--num_heads", "1"),
    ],
    "lac": ["lac", "train", "--save_dir", "ck", "--use_gpu", "False"],
}


@pytest.mark.parametrize("flag", ["--hidden_size=500000000", "--hidden_size=2000000000", "--num_layers=100000000"])
@pytest.mark.parametrize("training", TRAININGS)
def test_sizes_that_no_machine_holds_are_refused_before_they_are_built(tmp_path, monkeypatch, capsys, training, flag):
    monkeypatch.chdir(tmp_path)
    words = "我 买 苹果 。".split()
    Path("s").write_text(" ".join(words) + "\n", encoding="utf-8")
    Vocabulary([*SPECIAL_TOKENS, *words]).save("v")
    PieceVocabulary.from_words(Counter(words)).save("p")
    code = elmo(*TRAININGS[training], *flag.split("="))
    error = capsys.readouterr().err.splitlines()[-1]
    assert code == 2 and ("num_layers is 100000000" in error or "GB of memory to load" in error)
    assert sorted(os.listdir()) == ["p", "s", "v"]
