"""What does a masked language model learn on its plateau? Its checkpoints, asked two things about held-out sentences.

How much of each head's attention lies on the two neighbours of a token, and what the order of the other characters is
worth, in nats, to a model that has to fill a gap: the same gap with the other characters shuffled is the comparison.
There is one gap in each sentence, drawn once for all checkpoints.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from elmo.encoding.bert import Bert
from elmo.nn.transformer import Block
from elmo.runtime import paddle
from elmo.statistics import percentile_interval, resampled_means
from elmo.system.files import write_results
from elmo.system.project import project_data
from elmo.system.types import Floats
from elmo.text.shards import find_shards, read_lines
from elmo.training.checkpoint import checkpoints, read_training_state

Gap = tuple[list[int], int, int]  # ids with [CLS], [SEP] and [MASK], place of the mask, what stood there
RESAMPLES = 1000
ATTENDED = 100  # sentences that attention is measured on


def draw_gaps(bert: Bert, pattern: str, seed: int) -> tuple[list[Gap], list[Gap]]:
    """One gap in each sentence that has room for it, and the same with the other characters shuffled."""
    generator, vocabulary = np.random.default_rng(seed), bert.vocabulary
    straight: list[Gap] = []
    shuffled: list[Gap] = []
    for line in (line for path in find_shards(pattern) for line in read_lines(path)):
        ids = [piece.id for piece in bert.tokenize(line.replace(" ", ""))]
        inner = [place for place in range(2, len(ids) - 2) if ids[place] != vocabulary.unk_id]
        if not inner or len(ids) > bert.model.config.max_length - 2:
            continue
        place = int(generator.choice(inner))
        others = ids[:place] + ids[place + 1 :]
        mixed = [others[index] for index in generator.permutation(len(others))]
        for gaps, rest in ((straight, others), (shuffled, mixed)):
            row = [vocabulary.bos_id, *rest[:place], vocabulary.mask_id, *rest[place:], vocabulary.eos_id]
            gaps.append((row, place + 1, ids[place]))
    return straight, shuffled


def gap_nats(bert: Bert, gaps: list[Gap], batch_size: int = 64) -> Floats:
    """Negative logarithm of the probability of what stood in each gap, [gaps]."""
    found = []
    for begin in range(0, len(gaps), batch_size):
        part = gaps[begin : begin + batch_size]
        lengths = np.array([len(row) for row, _, _ in part])
        ids = np.full((len(part), lengths.max()), bert.vocabulary.pad_id)
        for line, (row, _, _) in zip(ids, part, strict=True):
            line[: len(row)] = row
        places = np.array([number * ids.shape[1] + place for number, (_, place, _) in enumerate(part)])
        with paddle.no_grad():
            logs = bert.model.predictions(*map(paddle.to_tensor, (ids, lengths, places))).numpy()
        found.append(-logs[np.arange(len(part)), [target for _, _, target in part]])
    return np.concatenate(found).astype(np.float64)


def neighbour_shares(bert: Bert, gaps: list[Gap]) -> Floats:
    """Share of the attention that lies on a token's two neighbours, [blocks, heads], mean over tokens of sentences."""
    config, total = bert.model.config, 0.0
    for row, _, _ in gaps:
        near = np.abs(np.subtract.outer(np.arange(1, len(row) - 1), np.arange(len(row)))) == 1
        with paddle.no_grad():
            layers = bert.model(paddle.to_tensor([row]))
            weights = [
                _weights(block, layer[0]) for block, layer in zip(bert.model.encoder.blocks, layers, strict=False)
            ]
        total = total + (np.stack(weights)[:, :, 1:-1] * near).sum(axis=-1).mean(axis=-1)
    return np.asarray(total / len(gaps)).reshape(config.num_layers, config.num_heads)


def _weights(block: Block, rows: Any) -> Floats:
    """Attention weights [heads, time, time] of one sequence's rows [time, dim]."""
    time, heads = rows.shape[0], block.sizes.num_heads
    qkv = block.qkv(rows).numpy().astype(np.float64).reshape(time, 3, heads, -1)
    queries, keys = qkv[:, 0].transpose(1, 0, 2), qkv[:, 1].transpose(1, 2, 0)
    scores = queries @ keys / np.sqrt(qkv.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def measure(path: Path, pattern: str, seed: int) -> dict[str, Any]:
    """The record of one checkpoint."""
    bert = Bert.from_pretrained(path)
    straight, shuffled = draw_gaps(bert, pattern, seed)
    nats, without_order = gap_nats(bert, straight), gap_nats(bert, shuffled)
    gain = without_order - nats
    low, high = percentile_interval(resampled_means(gain, RESAMPLES, np.random.default_rng(seed)))
    state = read_training_state(path)
    return {
        "step": state.step,
        "characters": sum(rank["tokens_read"] for rank in state.progress["ranks"]),
        "gap_nats": float(nats.mean()),
        "order_nats": {"value": float(gain.mean()), "low": low, "high": high},
        "neighbours": neighbour_shares(bert, straight[:ATTENDED]).tolist(),
        "gaps": len(nats),
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", nargs="+", help="name=folder of the checkpoints of a pretraining (--keep_checkpoints)"
    )
    parser.add_argument("--sentences", default=str(project_data("dev/sentence_file_*")), help="shards, not trained on")
    parser.add_argument("--random_seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    console, written = Console(), arguments.output
    before = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
    found = before["models"] if before.get("seed") == arguments.random_seed else {}  # of other models, which are kept
    for name, folder in (model.split("=", 1) for model in arguments.models):
        records = []
        for path in checkpoints(Path(folder)):
            record = measure(path, arguments.sentences, arguments.random_seed)
            records.append(record)
            best = max(map(max, record["neighbours"]))
            console.print(
                f"{name}, step {record['step']}: {record['gap_nats']:.2f} nats, "
                f"order {record['order_nats']['value']:.2f}, best head on neighbours {best:.2f}",
                highlight=False,
            )
        found[name] = sorted(records, key=lambda record: int(record["step"]))
    write_results(written, {"seed": arguments.random_seed, "attended": ATTENDED, "models": found})


if __name__ == "__main__":
    main()
