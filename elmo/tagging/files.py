"""Tagging a file line by line, as `elmo lac tag` does: a pipe is answered at once, memory stays flat.

Baidu's LAC and taggers of ours are told apart by what their folders hold.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import BufferedReader
from pathlib import Path
from typing import cast

from elmo.errors import InputError
from elmo.models import VOCABULARY_FILE, WEIGHTS_FILE, find_model
from elmo.system.files import whole_file
from elmo.system.inputs import MAX_LINE_BYTES, STANDARD_INPUT, find_codec, open_regular, too_long
from elmo.system.types import PathLike
from elmo.tagging.baidu import Lac, format_tagged
from elmo.tagging.baidu_text import UserDictionary
from elmo.tagging.tagger import Tagger
from elmo.text.normalise import Normaliser
from elmo.text.shards import undecodable

_BLOCK_BYTES = 1 << 18  # of text at a time: enough lines for batches of like length


def load_tagger(
    model: PathLike | None = None,
    *,
    features: PathLike | None = None,
    user_dictionary: PathLike | UserDictionary | None = None,
    batch_size: int = 64,
) -> Lac | Tagger:
    """Load Baidu's LAC or a tagger of ours.

    Args:
        model: Baidu's folder, or that of a tagger, of its training (its `model` is taken) or of a checkpoint, or its
            name; None: the installed package's LAC.
        features: where the ELMo or word2vec lies that a tagger reads, if not where it says.
        user_dictionary, batch_size: see `Lac`.

    Raises:
        InputError: as `Lac.from_pretrained` and `Tagger.from_pretrained` do.
    """
    if (ours := None if model is None else find_tagger(model)) is not None:
        return Tagger.from_pretrained(ours, features=features, user_dictionary=user_dictionary, batch_size=batch_size)
    if features is not None:
        raise InputError(f"{model or 'LAC'} is no tagger of ours and reads no features: leave them out")
    return Lac.from_pretrained(model, user_dictionary=user_dictionary, batch_size=batch_size)


def find_tagger(model: PathLike) -> Path | None:
    """Return the folder of a model of ours, or None where there is none."""
    try:
        found = find_model(model)
    except InputError:
        return None
    folders = (found, found / "model")
    return next((each for each in folders if any((each / n).is_file() for n in (WEIGHTS_FILE, VOCABULARY_FILE))), None)


def tag_file(
    source: PathLike,
    output: PathLike | None = None,
    *,
    model: PathLike | None = None,
    features: PathLike | None = None,
    user_dictionary: PathLike | UserDictionary | None = None,
    as_json: bool = False,
    separator: str = " ",
    encoding: str = "utf-8",
    normalise: Sequence[str] | None = None,
    batch_size: int = 64,
    report: Callable[[int], object] | None = None,
) -> int:
    r"""Tag each line of a file and write a line for it; return how many there were.

    A line of the output is word/tag separated by spaces, or `{"words": [...], "tags": [...]}`, whose words joined are
    the line, normalised. Lines end in \n or \r\n; control characters and U+FEFF are dropped, as everywhere.

    Args:
        source: a file, "-" for standard input.
        output: appears whole or, after an error or an interruption, not at all; a file that is there is replaced. None:
            standard output.
        model, features, user_dictionary, batch_size: see `load_tagger`.
        as_json: write JSON.
        report: is told of so many lines more that are done.
        separator: between words of a text, see `elmo.tagging.baidu.format_tagged`.
        encoding: of the source, utf-8 or gb18030.
        normalise: steps, see `elmo.text.normalise`; None: those of a tagger's own training, of LAC none. Others than
            the tagger's are warned about, and its own are taken all the same.

    Raises:
        InputError: the source can't be read or is not of the encoding (naming file, line and byte), the output can't be
            written, a word holds the separator, there is no such encoding or step, or `load_tagger` fails.
    """
    codec = find_codec(encoding)
    normaliser = Normaliser(normalise or ())
    count = 0
    if not separator or "/" in separator or "\n" in separator:
        raise InputError(f"separator is {separator!r}: give something without a slash or a line end")
    with _opened(source) as file, written_whole(output) as write:
        tagger = load_tagger(model, features=features, user_dictionary=user_dictionary, batch_size=batch_size)
        if normalise is not None and isinstance(tagger, Tagger) and normaliser.steps != tagger.normalise.steps:
            theirs, ours = (", ".join(steps) or "none" for steps in (tagger.normalise.steps, normaliser.steps))
            warnings.warn(f"{model}: its text was normalised by {theirs}, not by {ours}: leave it out", stacklevel=2)
        for lines in _read_blocks(file, _name(source), codec):
            tagged = tagger.tag([normaliser(line) for line in lines])
            if as_json:
                answers = [json.dumps({"words": words, "tags": tags}, ensure_ascii=False) for words, tags in tagged]
            else:
                answers = [_format(*each, separator, _name(source), count + at) for at, each in enumerate(tagged, 1)]
            write("".join([f"{answer}\n" for answer in answers]).encode())
            count += len(lines)
            if report is not None:
                report(len(lines))
    return count


def _format(words: Sequence[str], tags: Sequence[str], separator: str, name: str, line: int) -> str:
    try:
        return format_tagged(words, tags, separator)
    except InputError as error:
        raise InputError(f"{name}:{line}: {error}") from None


def _name(source: PathLike) -> str:
    return "standard input" if os.fspath(source) == STANDARD_INPUT else os.fspath(source)


def _opened(source: PathLike) -> AbstractContextManager[BufferedReader]:
    if os.fspath(source) == STANDARD_INPUT:
        if sys.stdin is None:
            raise InputError("standard input is closed: give a file, a text a line")
        return nullcontext(cast(BufferedReader, sys.stdin.buffer))
    try:
        return open_regular(source)
    except OSError as error:
        raise _unreadable(_name(source), error) from error


def _read_blocks(file: BufferedReader, name: str, codec: str) -> Iterator[list[str]]:
    """Yield lines without their ends, as many at a time as there are to read."""
    rest: list[bytes] = []  # of a line whose end is yet to come
    number = 1
    block = b"\n"
    while block:
        try:
            block = file.read1(_BLOCK_BYTES)
        except OSError as error:
            raise _unreadable(name, error) from error
        whole, end, begun = block.rpartition(b"\n")
        if block and not end:
            rest.append(block)
            if sum(map(len, rest)) > MAX_LINE_BYTES:
                raise _unreadable(name, too_long(number))
            continue
        data = b"".join([*rest, whole, end])
        rest = [begun]
        if data:
            try:
                text = data.decode(codec)
            except UnicodeDecodeError as error:
                raise undecodable(name, error, number, codec) from None
            lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
            yield lines
            number += len(lines)


def _unreadable(name: str, error: OSError) -> InputError:
    return InputError(f"{name}: can't be read ({error.strerror}); give a UTF-8 file, a text a line")


@contextmanager
def written_whole(output: PathLike | None) -> Iterator[Callable[[bytes], object]]:
    """Give what writes to standard output, or to a file beside the output that takes its place at the end."""
    if output is None:
        yield _print
        return
    with whole_file(output) as temporary, open(temporary, "wb") as file:
        yield file.write


def _print(data: bytes) -> None:
    try:
        left = memoryview(data)
        while left:  # Python's unbuffered output may take a part only
            left = left[sys.stdout.buffer.write(left) :]
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # who reads has enough, such as `head`
        raise
    except OSError as error:
        with suppress(OSError):
            sys.stdout.close()  # or Python would try again when it ends, and complain
        raise InputError(f"standard output: can't be written ({error.strerror}); choose another place") from error
