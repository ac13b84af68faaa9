"""The building blocks of the models, a file an idea.

A comment beside a line gives the shape of the tensor that it makes. Axes have the same names everywhere: `batch`
sequences of `time` tokens, or all their `tokens` packed; `count` rows of any kind, in a packed batch those of one step;
`dim`, `input`, `hidden`, `proj`: sizes of vectors.
"""
