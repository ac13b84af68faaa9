"""An ELMo in one file: from raw documents to vectors that tell the senses of a word apart.

The book writes it in chapters 2 to 7. It needs Paddle, NumPy and jieba, not the book's package.
"""

import argparse
import json
import random
import re
import time
from collections import Counter
from pathlib import Path

import jieba
import numpy as np
import paddle
import paddle.nn.functional as F  # noqa: N812

DATA = Path(__file__).resolve().parents[2] / "data"

# --- Chapter 2: how well do vectors tell two senses apart? ---


def pair_auc(vectors, senses):
    """The chance that two vectors of one sense are closer than two of different senses."""
    vectors = vectors - vectors.mean(axis=0)  # what all occurrences share tells no sense
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    first, second = np.triu_indices(len(senses), k=1)
    cosines = (units @ units.T)[first, second].round(12)
    same = np.array([senses[a] == senses[b] for a, b in zip(first, second, strict=True)])
    difference = cosines[same][:, None] - cosines[~same]
    return (difference > 0).mean() + (difference == 0).mean() / 2


# --- Chapter 3: from documents to word ids ---

BOS, EOS, UNK = range(3)
SENTENCE = re.compile(r"[^。！？!?…]*[。！？!?…]+[”’」』）】》]*|[^。！？!?…]+")


def cut(sentence):
    """The words of a sentence, by jieba."""
    return [word for word in jieba.cut(sentence) if not word.isspace()]


def read_sentences(folder):
    """The sentences of all documents, a list of words each; a line end also ends one."""
    texts = [path.read_text("utf-8") for path in sorted(folder.rglob("*.txt"))]
    lines = [line for text in texts for line in text.splitlines()]
    return [cut(sentence) for line in lines for sentence in SENTENCE.findall(line)]


def build_vocabulary(sentences, min_count=2):
    """A number for each word that occurs often enough; the commonest comes first."""
    counts = Counter(word for sentence in sentences for word in sentence)
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    common = [word for word in ordered if counts[word] >= min_count]
    return {word: number for number, word in enumerate(["<S>", "</S>", "<UNK>", *common])}


def encode(sentence, vocabulary):
    """The ids of a sentence's words."""
    return [vocabulary.get(word, UNK) for word in sentence]


# --- Chapter 4: an LSTM with projection ---


class LSTMP(paddle.nn.Layer):
    """A cell of `hidden_size` numbers, whose output is projected to `proj_size`."""

    def __init__(self, input_size, hidden_size, proj_size, clip=3.0):
        super().__init__()
        self.hidden_size, self.proj_size, self.clip = hidden_size, proj_size, clip
        self.input_weight = self.create_parameter([input_size, 4 * hidden_size])
        self.recurrent_weight = self.create_parameter([proj_size, 4 * hidden_size])
        self.bias = self.create_parameter([4 * hidden_size], is_bias=True)
        self.projection_weight = self.create_parameter([hidden_size, proj_size])

    def forward(self, inputs):
        """Outputs [batch, time, proj] for inputs [batch, time, input], from zero state."""
        hidden = paddle.zeros([inputs.shape[0], self.proj_size])
        cell = paddle.zeros([inputs.shape[0], self.hidden_size])
        outputs = []
        for step in (inputs @ self.input_weight + self.bias).unbind(axis=1):
            gates = step + hidden @ self.recurrent_weight
            candidate, enter, forget, leave = gates.split(4, axis=1)
            cell = F.sigmoid(forget) * cell + F.sigmoid(enter) * candidate.tanh()
            cell = cell.clip(-self.clip, self.clip)
            hidden = (F.sigmoid(leave) * cell.tanh()) @ self.projection_weight
            hidden = hidden.clip(-self.clip, self.clip)
            outputs.append(hidden)
        return paddle.stack(outputs, axis=1)


# --- Chapter 5: two language models, one for each direction ---


def pad(sentences):
    """Ids [batch, time], filled up with </S>, and the lengths [batch]."""
    lengths = np.array([len(sentence) for sentence in sentences])
    rows = [[*sentence, *[EOS] * (lengths.max() - len(sentence))] for sentence in sentences]
    return np.array(rows), lengths


def turn(ids, lengths):
    """Each sentence in reverse order; the padding stays at the end."""
    turned = ids.copy()
    for number, length in enumerate(lengths):
        turned[number, :length] = ids[number, :length][::-1]
    return turned


class BiLM(paddle.nn.Layer):
    """Guesses each word from the words before it, and again from the words after it."""

    def __init__(self, vocab_size, embed_size=64, hidden_size=128, num_layers=2, dropout=0.3):
        super().__init__()
        self.dropout, sizes = dropout, (embed_size, hidden_size, embed_size)
        normal = paddle.nn.initializer.Normal(0.0, embed_size**-0.5)
        table = {"shape": [vocab_size, embed_size], "default_initializer": normal}
        self.embedding_para = self.create_parameter(**table)
        self.forward_layers = paddle.nn.LayerList([LSTMP(*sizes) for _ in range(num_layers)])
        self.backward_layers = paddle.nn.LayerList([LSTMP(*sizes) for _ in range(num_layers)])
        self.softmax_weight = self.create_parameter(**table)
        self.softmax_bias = self.create_parameter([vocab_size], is_bias=True)

    def read(self, layers, ids):
        """The output [batch, time, embed] of each layer of one reader."""
        inputs, outputs = F.embedding(paddle.to_tensor(ids), self.embedding_para), []
        for number, layer in enumerate(layers):
            inputs = F.dropout(inputs, self.dropout, self.training)
            output = layer(inputs)
            inputs = output + inputs if number else output  # the residual, from layer 2 on
            outputs.append(inputs)
        return outputs

    def forward(self, ids, lengths):
        """The outputs of both readers; each begins with the mark at its end of the sentence."""
        begin, turned = ((0, 0), (1, 0)), turn(ids, lengths)
        ahead = self.read(self.forward_layers, np.pad(ids, begin, constant_values=BOS))
        return ahead, self.read(self.backward_layers, np.pad(turned, begin, constant_values=EOS))

    def loss(self, ids, lengths):
        """The mean cross-entropy, in nats, of all guesses of both readers."""
        ahead, behind = self(ids, lengths)
        left = self.guess_loss(ahead[-1], ids, lengths, EOS)
        return (left + self.guess_loss(behind[-1], turn(ids, lengths), lengths, BOS)) / 2

    def guess_loss(self, outputs, words, lengths, end):
        """The mean loss of one reader, who guesses the words and then the end."""
        targets = np.pad(words, ((0, 0), (0, 1)))
        targets[np.arange(len(words)), lengths] = end
        real = np.arange(targets.shape[1]) <= lengths[:, None]  # guesses at padding don't count
        rows = paddle.gather(outputs.flatten(0, 1), paddle.to_tensor(np.flatnonzero(real)))
        logits = paddle.matmul(rows, self.softmax_weight, transpose_y=True) + self.softmax_bias
        return F.cross_entropy(logits, paddle.to_tensor(targets[real]))


# --- Chapter 6: training ---


def batches(sentences, size, shuffle):
    """Sentences of about one length together, so that little is padding."""
    order = sorted(sentences, key=lambda sentence: (len(sentence), shuffle.random()))
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    shuffle.shuffle(groups)
    return [pad(group) for group in groups]


@paddle.no_grad()
def perplexity(model, sentences):
    """exp of the mean loss of a guess, on text that the model has not learnt from."""
    model.eval()
    parts = batches(sentences, 64, random.Random(0))
    guesses = [int((lengths + 1).sum()) for _, lengths in parts]
    losses = [float(model.loss(ids, lengths)) for ids, lengths in parts]
    return float(np.exp(np.average(losses, weights=guesses)))


def train(model, sentences, held_out, epochs, seed, size=32, rate=0.005):
    """Adam, with a learning rate that falls; the held-out perplexity after each epoch."""
    shuffle, history = random.Random(seed), []
    steps = epochs * len(batches(sentences, size, shuffle))
    rates = paddle.optimizer.lr.CosineAnnealingDecay(rate, T_max=steps)
    clip = paddle.nn.ClipGradByGlobalNorm(5.0)
    optimizer = paddle.optimizer.Adam(rates, parameters=model.parameters(), grad_clip=clip)
    for epoch in range(epochs):
        model.train()
        for ids, lengths in batches(sentences, size, shuffle):
            model.loss(ids, lengths).backward()
            optimizer.step()
            optimizer.clear_grad()
            rates.step()
        history.append(perplexity(model, held_out))
        print(f"epoch {epoch + 1}: held-out perplexity {history[-1]:.1f}", flush=True)
    return history


# --- Chapter 7: vectors, and the senses of a word ---


@paddle.no_grad()
def word_vectors(model, ids, lengths, places):
    """One word's vectors [batch, 2 * embed]: the top layers of both readers, just before it."""
    model.eval()
    ahead, behind = (outputs[-1].numpy() for outputs in model(ids, lengths))
    rows = np.arange(len(ids))
    return np.hstack([ahead[rows, places], behind[rows, lengths - 1 - places]])


def sense_aucs(model, vocabulary):
    """For each word of data/senses.tsv: how well its vectors tell its senses apart."""
    marked, aucs = {}, {}
    lines = (DATA / "senses.tsv").read_text("utf-8").splitlines()[1:]
    for word, sense, _, sentence, _ in (line.split("\t") for line in lines):
        marked.setdefault(word, []).append((cut(sentence), sense))
    for word, examples in marked.items():
        ids, lengths = pad([encode(words, vocabulary) for words, _ in examples])
        places = np.array([words.index(word) for words, _ in examples])
        senses = [sense for _, sense in examples]
        aucs[word] = pair_auc(word_vectors(model, ids, lengths, places), senses)
    return {**aucs, "all": sum(aucs.values()) / len(aucs)}


def run(seed, epochs):
    """Train one model, and say what it has reached."""
    begin = time.perf_counter()
    text, held_out = (read_sentences(DATA / "documents" / part) for part in ("train", "dev"))
    vocabulary = build_vocabulary(text)
    paddle.seed(seed)
    model = BiLM(len(vocabulary))
    untrained = sense_aucs(model, vocabulary)
    parts = ([encode(words, vocabulary) for words in part] for part in (text, held_out))
    perplexities = train(model, *parts, epochs, seed)
    scores = {"untrained": untrained, "trained": sense_aucs(model, vocabulary)}
    return {**scores, "perplexity": perplexities[-1], "seconds": time.perf_counter() - begin}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--output", type=Path, help="a JSON file for the scores")
    options = parser.parse_args()
    runs = {seed: run(seed, options.epochs) for seed in range(options.seeds)}
    for word in ("苹果", "算账", "all"):
        print(word, "AUC:", *(f"{result['trained'][word]:.2f}" for result in runs.values()))
    if options.output:
        options.output.write_text(json.dumps(runs, ensure_ascii=False, indent=1), "utf-8")
