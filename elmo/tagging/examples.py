"""Examples for a tagger: gold words as labels of the tokens that its network reads, and how well it finds them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np

from elmo.corpora.lark_tsv import BEGIN
from elmo.corpora.tagged import Tagged
from elmo.errors import InputError
from elmo.tagging.network import TaggerInput, TaggerNetwork
from elmo.tagging.projection import Chunk, chunks, project, word_chunks
from elmo.tagging.score import ChunkCounts, count_chunks
from elmo.tagging.segmenter import cut_all, load_segmenter
from elmo.tagging.tagger.readers import Reader
from elmo.text.lengths import like_lengths
from elmo.text.normalise import Normaliser
from elmo.text.vocabulary import Vocabulary

_WHOLE_COUNT = 20  # occurrences in the training sentences that a word needs to be a token of mixed ones
_WHOLE_CUT = 0.01  # share of them in which the gold sentence may be cut within it


class GoldSentence(Protocol):
    """What is learnt from: words with a tag each."""

    @property
    def words(self) -> Sequence[str]:
        """Gold words."""
        ...

    @property
    def tags(self) -> Sequence[str]:
        """Their tags, such as n or PER."""
        ...


@dataclass
class Examples:
    """Sentences as the network reads them, beside the gold chunks."""

    sentences: list[TaggerInput]
    gold: list[list[Chunk]]
    straddling: int  # tokens that hold characters of several gold words: no labels can be right for these
    num_tokens: int

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of all tokens, their ids and their labels."""
        digest = hashlib.sha256()
        for sentence in self.sentences:
            digest.update("\n".join(sentence.tokens).encode("utf-8", "surrogatepass"))
            for numbers in (np.array(len(sentence.ids)), sentence.ids, sentence.labels):
                digest.update(np.asarray(numbers, np.int64).tobytes())
        return digest.hexdigest()


def normalise_gold(gold: Sequence[GoldSentence], normalise: Normaliser) -> list[Tagged]:
    """Gold sentences with each word normalised; one of which nothing would be left stays as it is."""
    return [Tagged(normalise.words(list(each.words)), list(each.tags), place_of(each)) for each in gold]


def segment_gold(gold: Sequence[GoldSentence], segmenter: str = "jieba") -> list[list[str]]:
    """The segmenter's own words of each gold sentence's text."""
    return cut_all(load_segmenter(segmenter), ["".join(sentence.words) for sentence in gold])


def make_vocabulary(
    segmented: Sequence[Sequence[str]], tokens: str, min_count: int = 1, gold: Sequence[GoldSentence] = ()
) -> Vocabulary:
    """Vocabulary of the training sentences' tokens, the most frequent first.

    Args:
        segmented: the segmenter's words of each sentence.
        tokens: "words"; "characters"; or "mixed", characters and the words that stay whole, see `whole_words`.
        min_count: words or characters that occur less often are left out.
        gold: the sentences, for "mixed".
    """
    counts: Counter[str] = Counter()
    for words in segmented:
        counts.update(words if tokens == "words" else "".join(words))
    if tokens == "mixed":
        counts.update(whole_words(gold, segmented))
    return Vocabulary.from_counts(counts, min_count)


def whole_words(gold: Sequence[GoldSentence], segmented: Sequence[Sequence[str]]) -> Counter[str]:
    """Words of the segmenter that a tagger may read as one token, and how often they occur.

    They have two characters or more, are frequent, so that there is enough to learn from, and hardly ever hold a place
    where the gold sentence is cut: a token that does would have no right label. As with LAC's pieces, all other words
    are read by their characters, so that a mistake of the segmenter in rare words costs nothing.
    """
    counts: Counter[str] = Counter()
    cut: Counter[str] = Counter()  # of them how many hold such a place
    for sentence, words in zip(gold, segmented, strict=True):
        ends = set(accumulate(len("".join(word.split())) for word in sentence.words))
        begin = 0
        for word in words:
            counts[word] += 1
            cut[word] += any(place in ends for place in range(begin + 1, begin + len(word)))
            begin += len(word)
    return Counter(
        {
            word: count
            for word, count in counts.items()
            if len(word) > 1 and count >= _WHOLE_COUNT and cut[word] <= _WHOLE_CUT * count
        }
    )


def make_examples(
    gold: Sequence[GoldSentence],
    segmented: Sequence[list[str]],
    reader: Reader,
    report: Callable[[str], None] = lambda line: None,
) -> Examples:
    """Read sentences and give each token its label; sentences without tokens are left out.

    Args:
        gold: the sentences.
        segmented: the segmenter's words of each.
        reader: makes what the network reads of them.
        report: is told how many sentences have their vectors.

    Raises:
        InputError: a gold tag is not among the configuration's, or words, tags and tokens do not fit; names the place.
    """
    labels = {label: index for index, label in enumerate(reader.config.labels)}
    pairs = [(sentence, words) for sentence, words in zip(gold, segmented, strict=True) if words]
    sentences = reader.read([words for _, words in pairs], report)
    straddling = num_tokens = 0
    for (sentence, _), tagger_input in zip(pairs, sentences, strict=True):
        try:
            projection = project(sentence.words, sentence.tags, tagger_input.tokens)
        except InputError as error:
            raise InputError(f"{place_of(sentence)}: {error}") from None
        # Not by the labels alone: a tag may be lost where one token holds several words.
        if odd := [tag for tag in dict.fromkeys(sentence.tags) if tag + BEGIN not in labels]:
            known = " ".join(reader.config.tags)
            raise InputError(f"{place_of(sentence)}: the tag {odd[0]!r} is none of the tagger's ({known}); correct it")
        tagger_input.labels = np.array([labels[label] for label in projection.tags], np.int64)
        straddling += projection.straddling
        num_tokens += len(tagger_input.tokens)
    return Examples(
        sentences, [word_chunks(sentence.words, sentence.tags) for sentence, _ in pairs], straddling, num_tokens
    )


def place_of(sentence: GoldSentence) -> str:
    """File and line of a sentence, if it knows, or its beginning."""
    return str(getattr(sentence, "place", "") or repr("".join(sentence.words)[:20]))


def evaluate(network: TaggerNetwork, examples: Examples, batch_size: int = 64) -> ChunkCounts:
    """Counts of chunks, by sentence, of what the network makes of examples."""
    names = network.config.labels
    found: list[list[Chunk]] = [[] for _ in examples.sentences]
    for chosen in like_lengths([len(sentence.ids) for sentence in examples.sentences], batch_size):
        best = network.decode([examples.sentences[index] for index in chosen])
        for index, labels in zip(chosen, best, strict=True):
            found[index] = chunks(examples.sentences[index].tokens, [names[label] for label in labels])
    return count_chunks(examples.gold, found)
