"""Write small random models with transformers, and the hidden states that it computes: `python FILE [FOLDER]`.

Needs the package's extra `parity` (torch and transformers); what it wrote lies in tests/convert/transformers, so that
the comparison needs neither.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

NAMES = ("BertModel", "BertForMaskedLM", "BertForPreTraining", "ErnieModel", "ErnieForMaskedLM")
TEXT = "我们去看花，看花hello"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"我们今天去公园看花，", "hello"]
SIZES = {
    "vocab_size": len(TOKENS),
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 16,
}


def make(name: str, folder: Path) -> None:
    """Write a model of one of transformers' classes as that library saves it, and `expected.npz`."""
    import torch
    import transformers

    ernie = name.startswith("Ernie")
    config = (transformers.ErnieConfig if ernie else transformers.BertConfig)(
        **SIZES, **({"hidden_act": "relu"} if ernie else {})
    )
    torch.manual_seed(len(name))
    model = getattr(transformers, name)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # as it begins, all biases are 0 and every norm the identity
            parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    tokens = ["[CLS]", *TEXT.removesuffix("hello"), "hello", "[SEP]"]
    ids = [TOKENS.index(token) for token in tokens]
    with torch.no_grad():
        found = model(torch.tensor([ids]), output_hidden_states=True)
    expected = {"hidden_states": np.concatenate([layer.numpy() for layer in found.hidden_states])}
    for field in ("logits", "prediction_logits"):
        if field in found:
            expected["logits"] = found[field][0].numpy()
    np.savez(folder / "expected.npz", ids=np.array(ids), **expected)
    (folder / "MADE_BY").write_text(f"transformers {transformers.__version__}, torch {torch.__version__}\n")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("transformers")
    for each in NAMES:
        make(each, target / each)
