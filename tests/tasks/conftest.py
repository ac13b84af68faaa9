"""A tiny model in the form of Baidu's LAC, with parameters drawn by chance and words of our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elmo.convert.fluid import write_variable

WORDS = ["明天", "去", "河边", "散步", "我", "们", "我们", "A", "1", "abc", " ", "好", "河", "边", "OOV"]
PIECES = ["明天", "河边", "散步", "河边散步", "我们", "们去", "天去", "去河边"]
EMBEDDING, HIDDEN, LAYERS = 4, 3, 2
TAGS = ["n-B", "n-I", "v-B", "v-I", "nr-B", "nr-I", "O"]


@pytest.fixture
def tiny_lac(tmp_path: Path) -> Path:
    """The folder of a model that can be changed."""
    folder = tmp_path / "lac_model"
    (folder / "conf").mkdir(parents=True)
    (folder / "model").mkdir()
    texts = {
        "args.ini": f"[NETWORK_CONFIG]\nword_emb_dim = {EMBEDDING}\ngrnn_hidden_dim = {HIDDEN}\n"
        f"bigru_num = {LAYERS}\n[TRAIN_CONFIG]\nmodel = lac\n",
        "word.dic": "".join(f"{index}\t{word}\n" for index, word in enumerate(WORDS)),
        "tag.dic": "".join(f"{index}\t{tag}\n" for index, tag in enumerate(TAGS)) + "4\tPER-B\n5\tPER-I\n",
        "q2b.dic": "Ａ\tA\n１\t1\n　\t \n",
        "small_seg.dic": "".join(f"{piece} {10 + index}\n" for index, piece in enumerate(PIECES)),
    }
    for name, text in texts.items():
        (folder / "conf" / name).write_text(text, encoding="utf-8")
    shapes: dict[str, tuple[int, ...]] = {"word_emb": (len(WORDS), EMBEDDING), "crfw": (len(TAGS) + 2, len(TAGS))}
    for index in range(2 * LAYERS):
        shapes[f"fc_{index}.w_0"] = (EMBEDDING if index < 2 else 2 * HIDDEN, 3 * HIDDEN)
        shapes[f"fc_{index}.b_0"] = (3 * HIDDEN,)
        shapes[f"gru_{index}.w_0"] = (HIDDEN, 3 * HIDDEN)
        shapes[f"gru_{index}.b_0"] = (1, 3 * HIDDEN)
    shapes["fc_4.w_0"], shapes["fc_4.b_0"] = (2 * HIDDEN, len(TAGS)), (len(TAGS),)
    generator = np.random.default_rng(3)
    for name, shape in shapes.items():
        write_variable(folder / "model" / name, generator.normal(0.0, 1.0, shape).astype("float32"))
    return folder
