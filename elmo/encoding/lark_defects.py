"""The errors of LARK's transfer program (ELMo's `bilm.py` of 2019), each as a switch, so that its cost can be measured.

LARK pretrained one network and transferred another: see `DEFECTS` for how they differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from elmo.bilm import BiLM
from elmo.bilm.reading import Positions, check_ids, side_by_side
from elmo.errors import InputError
from elmo.nn.dropout import dropout
from elmo.nn.lstmp import State, reading_order
from elmo.runtime import paddle
from elmo.system.types import Tensor
from elmo.text.characters import Lexicon

DEFECTS = {
    "same_input": "layer 2 is fed the word vectors, not layer 1's output",
    "reversed": "backward states are not turned round again: word i gets the one of word n - 1 - i",
    "no_residual": "layer 2's input is not added to its output",
    "dropout": "dropout stays on, so that the same sentence gets other vectors each time",
    "no_boundaries": "sentences have neither <S> nor </S>",
}


def check_defects(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names in the order of `DEFECTS`.

    Raises:
        InputError: one is unknown.
    """
    for name in names:
        if name not in DEFECTS:
            raise InputError(f"{name!r} is none of LARK's defects: {', '.join(DEFECTS)}")
    return tuple(name for name in DEFECTS if name in names)


class LarkTransfer(BiLM):
    """A biLM whose `layers` have some of LARK's defects; parameters are shared with the one that is given."""

    def __init__(self, model: BiLM, defects: Sequence[str]) -> None:
        with paddle.LazyGuard():  # no first values: all parameters are those of the model that is given
            super().__init__(model.config)
        for name, layer in model.named_children():
            setattr(self, name, layer)
        for name, parameter in model.named_parameters(include_sublayers=False):
            setattr(self, name, parameter)
        self.defects = frozenset(check_defects(defects))
        self.eval()

    def run_direction(
        self, layers: paddle.nn.LayerList, inputs: Tensor, states: list[State] | None
    ) -> tuple[list[Tensor], list[State]]:
        """As `BiLM.run_direction`, with the defects inside a direction."""
        outputs: list[Tensor] = []
        last_states: list[State] = []
        words, rate = inputs, self.config.dropout
        for index, layer in enumerate(layers):
            if "same_input" in self.defects:
                inputs = words
            inputs = dropout(inputs, rate, "dropout" in self.defects or self.training)
            output, state = layer(inputs, None if states is None else states[index])
            if index > 0 and self.config.use_skip_connections and "no_residual" not in self.defects:
                output = output + inputs
            outputs.append(output)
            last_states.append(state)
            inputs = output
        return outputs, last_states

    def layers(
        self, token_ids: Tensor, lengths: Tensor, lexicon: Lexicon | None = None, positions: Positions = "own"
    ) -> list[Tensor]:
        """As `BiLM.layers`, with the defects at the ends of a sentence; LARK reads no hole, so there is none here."""
        if positions != "own":
            raise InputError(
                f"positions is {positions!r}: LARK's defects are those of the words' own vectors, give own"
            )
        found: list[Tensor] = []
        if "no_boundaries" in self.defects:
            order = reading_order(lengths.astype("int64"), token_ids.shape[1])
            table = self.word_vectors(lexicon)
            check_ids(token_ids, lengths, table.shape[0])
            forward, backward, _ = self.run(token_ids, paddle.take_along_axis(token_ids, order, axis=1), table)
            words = self.look_up(token_ids, table)
            found.append(paddle.concat([words, words], axis=2))
            found += [side_by_side(ahead, behind, order) for ahead, behind in zip(forward, backward, strict=True)]
        else:
            found += super().layers(token_ids, lengths, lexicon)
        if "reversed" in self.defects:
            for place in range(1, len(found)):
                ahead, behind = paddle.split(found[place], 2, axis=2)
                found[place] = side_by_side(ahead, behind, reading_order(lengths.astype("int64"), ahead.shape[1]))
        return found
