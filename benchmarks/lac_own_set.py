"""How good is Baidu's LAC on the sentences of data/lac, which were tagged by it and then corrected by hand?

Its answer is made anew from the text and compared with the corrected words, chunk by chunk: scores for words with their
tags, for words alone and for each kind of name, and how many sentences and words the correction changed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from elmo.corpora.lark_tsv import TokenTags, read_tag_dic, read_tsv
from elmo.errors import InputError
from elmo.system.files import write_results
from elmo.system.project import project_data
from elmo.tagging.baidu import Lac
from elmo.tagging.projection import word_chunks
from elmo.tagging.score import ChunkCounts, Score, SentenceCounts, count_chunks

PARTS = ("train", "dev", "test")
NAMES = ("PER", "LOC", "ORG", "TIME")
COMMONEST = 12  # of the corrections of a tag, how many are listed


def main() -> None:
    """Tag, compare, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of LAC's model (default: the installed package lac)")
    parser.add_argument("--data", type=Path, default=project_data("lac"))
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    options = parser.parse_args()
    try:
        lac = Lac.from_pretrained(options.model)
        known = read_tag_dic(options.data / "tag.dic")
        parts = {part: read_tsv(options.data / f"{part}.tsv", known) for part in PARTS}
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    parts["all"] = [sentence for part in PARTS for sentence in parts[part]]
    found = {part: compare(lac, sentences) for part, sentences in parts.items()}
    print_results(found)
    write_results(options.output, {"model": "Baidu LAC 2.1.2", "parts": found})


def compare(lac: Lac, sentences: Sequence[TokenTags]) -> dict[str, Any]:
    """Scores of LAC's answer, and what the correction changed in it."""
    gold = []
    for sentence in sentences:
        chunks = list(sentence.chunks())
        gold.append((["".join(tokens) for tokens, _ in chunks], [tag for _, tag in chunks]))
    answers = lac.tag(["".join(words) for words, _ in gold])
    counts = count_chunks([word_chunks(*words) for words in gold], [word_chunks(*words) for words in answers])
    tagged, segmented = counts.tagged(), counts.segmentation()
    return {
        "sentences": len(gold),
        "sentences_corrected": sum(a != b for a, b in zip(gold, answers, strict=True)),
        "words": int(tagged.gold.sum()),
        "words_corrected": int((tagged.gold - tagged.correct).sum()),
        "words_cut_anew": int((segmented.gold - segmented.correct).sum()),
        "words_with_another_tag": int((segmented.correct - tagged.correct).sum()),
        "commonest_other_tags": commonest(counts),
        "words_and_tags": scores(tagged),
        "words_alone": scores(segmented),
        "names": scores(counts.tagged(NAMES)),
        "by_name": {name: scores(counts.tagged((name,))) for name in NAMES},
    }


def scores(counts: SentenceCounts) -> dict[str, float | int]:
    """Precision, recall and F1 in percent, and the counts."""
    found: Score = counts.score()
    return {
        name: round(100 * value, 2) if isinstance(value, float) else value for name, value in found._asdict().items()
    }


def commonest(counts: ChunkCounts) -> dict[str, int]:
    """LAC's tag and the corrected one of words that LAC had cut rightly, such as `v>d`, the most frequent first."""
    _, gold, predicted = counts.matches.T
    pairs = Counter(
        f"{counts.tags[other]}>{counts.tags[right]}"
        for right, other in zip(gold, predicted, strict=True)
        if right != other
    )
    return dict(pairs.most_common(COMMONEST))


def print_results(parts: dict[str, Any]) -> None:
    """Print a row for each part."""
    table = Table("part", "sents", "changed", "words", "changed", "P", "R", "F1", "F1 cut", "F1 names")
    for part, found in parts.items():
        numbers = [found[name] for name in ("sentences", "sentences_corrected", "words", "words_corrected")]
        chunk_scores = [found["words_and_tags"][name] for name in ("precision", "recall", "f1")]
        chunk_scores += [found["words_alone"]["f1"], found["names"]["f1"]]
        table.add_row(part, *map(str, numbers), *(f"{value:.2f}" for value in chunk_scores))
    Console().print(table)


if __name__ == "__main__":
    main()
