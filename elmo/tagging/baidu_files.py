"""Baidu's LAC as its package ships it: finding the model's folder, and reading its parameters and dictionaries.

The folder holds `model/`, a variable file of Paddle 1.x for each parameter, and `conf/`, settings and dictionaries in
UTF-8. Everything that is read is checked against everything else, since a wrong size would only show in wrong tags.
"""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

from elmo.convert.fluid import read_header, read_variable
from elmo.convert.safety import check_finite, inside
from elmo.errors import InputError
from elmo.system.files import check_replaceable, replace_directory, temporary_directory
from elmo.system.inputs import open_regular
from elmo.system.types import Array, PathLike
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary

UNKNOWN = "OOV"
_SETTINGS = ("args.ini", "word.dic", "tag.dic", "q2b.dic", "small_seg.dic")
_FOLDERS = ("", "lac_model", "LAC/lac_model")
_GET_IT = (
    "write `setuptools<81` into a file c.txt, run `PIP_CONSTRAINT=c.txt PIP_BUILD_CONSTRAINT=c.txt pip download "
    "lac==2.1.2 --no-deps`, unpack LAC-2.1.2.tar.gz and give its folder as the model (--model)"
)
_DICTIONARY_BYTES = 64 << 20  # far beyond any dictionary of LAC's
_PIECE_CHARACTERS = 64  # far beyond any piece; all that a piece begins with is kept
_PIECES = 1_000_000  # with all that they begin with: LAC has 117,111
_LAYERS = 16  # far beyond any depth of LAC's
_TAG = re.compile(r".+-[BI]|O")


@dataclass(frozen=True, kw_only=True)
class LacDictionaries:
    """How LAC makes its inputs of a text, checked."""

    word_ids: dict[str, int]
    replacements: dict[str, str]  # a character for a character, such as a full-width one's half-width form
    pieces: dict[str, bool]  # True for a piece, False for what a piece begins with
    log_total: float  # of the pieces' counts

    @property
    def vocabulary(self) -> Vocabulary:
        """The words by their ids, and behind them what every vocabulary of ours has.

        Raises:
            InputError: there is a word that no vocabulary can hold.
        """
        return Vocabulary([*sorted(self.word_ids, key=self.word_ids.__getitem__), *SPECIAL_TOKENS])

    def as_json(self) -> dict[str, Any]:
        """All but the words, for the configuration of a model that has them as its vocabulary."""
        pieces = [piece for piece, is_whole in self.pieces.items() if is_whole]
        return {"pieces": "\n".join(pieces), "log_total": self.log_total, "replacements": self.replacements}


def lac_dictionaries(fields: Mapping[str, Any], vocabulary: Vocabulary) -> LacDictionaries:
    """What `LacDictionaries.as_json` and `LacDictionaries.vocabulary` returned, back again.

    Raises:
        InputError: they are damaged.
    """
    pieces, total, replacements = (fields.get(name) for name in ("pieces", "log_total", "replacements"))
    if fields.keys() != {"pieces", "log_total", "replacements"} or not isinstance(pieces, str):
        raise _damaged("its parts")
    if not isinstance(total, float) or not 0 <= total < 100:  # of more than anybody can count
        raise _damaged("the count of its pieces")
    if not isinstance(replacements, dict) or not all(isinstance(new, str) and new for new in replacements.values()):
        raise _damaged("what it replaces")
    found: dict[str, bool] = {}
    for piece in pieces.split("\n"):
        if not 0 < len(piece) <= _PIECE_CHARACTERS:
            raise _damaged("a piece")
        if not _add_piece(found, piece):
            raise _damaged("the number of its pieces")
    *words, first, second, third = vocabulary.tokens
    if UNKNOWN not in words or (first, second, third) != SPECIAL_TOKENS:
        raise _damaged("its vocabulary")
    word_ids = {word: index for index, word in enumerate(words)}
    return LacDictionaries(word_ids=word_ids, replacements=replacements, pieces=found, log_total=total)


def _damaged(what: str) -> InputError:
    return InputError(f"how the tagger reads text, as Baidu's LAC does, is damaged: {what}; copy the model again")


def _add_piece(pieces: dict[str, bool], piece: str) -> bool:
    """Whether there was room for it and what it begins with."""
    pieces[piece] = True
    for end in range(1, len(piece)):
        pieces.setdefault(piece[:end], False)
    return len(pieces) <= _PIECES


@dataclass(frozen=True, kw_only=True)
class LacFiles(LacDictionaries):
    """What the files hold, checked."""

    parameters: dict[str, Array]  # by the name of the file
    num_layers: int  # bidirectional ones
    hidden_size: int  # of each direction
    tags: list[str]  # by their ids, such as "n-B"
    folder: Path  # that they were read from


def lac_folder(path: PathLike) -> Path | None:
    """The folder that holds `model/` and `conf/` in that of LAC or of its package; None where there is none."""
    folders = [Path(path) / folder for folder in _FOLDERS]
    # os.path's answer to a name that no system takes is no, and pathlib's an error.
    return next((each for each in folders if all(os.path.isdir(each / name) for name in ("model", "conf"))), None)


def save_lac(files: LacFiles, target: PathLike) -> None:
    """Copy the files that were read into a folder that there is not yet; it appears whole or not at all.

    Raises:
        InputError: something is there already, can't be written, or the files are no longer where they were.
    """
    directory = Path(target)
    check_replaceable(directory, lambda _: None, overwrite=False)
    names = [*(f"model/{name}" for name in files.parameters), *(f"conf/{name}" for name in _SETTINGS)]
    try:
        with temporary_directory(directory, parents=True) as temporary:
            for name in names:
                (temporary / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(files.folder / name, temporary / name)
            replace_directory(temporary, directory, lambda _: None)
    except OSError as error:
        raise InputError(f"{directory}: can't be written ({error}); choose another place") from error


def find_lac(path: PathLike | None = None) -> Path:
    """Return the folder that holds `model/` and `conf/`.

    Args:
        path: that folder, or that of the unpacked or installed package `lac`; None: the installed package.

    Raises:
        InputError: there is none; says how to get it.
    """
    if path is None:
        spec = importlib.util.find_spec("LAC")  # looks for it only: importing it would fail on Paddle 2.5 and later
        if spec is None or not spec.submodule_search_locations:
            raise InputError(f"the package lac is not installed, and no model was named: {_GET_IT}")
        path = next(iter(spec.submodule_search_locations))
    if not os.path.exists(path):
        raise InputError(f"{path}: there is no such folder; give that of LAC, or of a tagger of your own")
    if (folder := lac_folder(path)) is not None:
        return folder
    raise InputError(f"{path}: holds no model of LAC (folders model and conf): {_GET_IT}")


def read_lac(path: PathLike | None = None) -> LacFiles:
    """Read the model in the folder that `find_lac` finds.

    Raises:
        InputError: there is none; a file is missing, damaged or does not fit the others; names file and line.
    """
    folder = find_lac(path)
    num_layers, embedding_size, hidden_size = _read_settings(inside(folder, "conf/args.ini"))
    words_path, tags_path = inside(folder, "conf/word.dic"), inside(folder, "conf/tag.dic")
    word_ids = _read_words(words_path)
    tags = _read_tags(tags_path)
    embedding = inside(folder, "model/word_emb")
    header = read_header(embedding)
    if len(header.shape) != 2 or header.shape[0] < len(word_ids):
        raise InputError(
            f"{words_path}: has {len(word_ids):,} words and {embedding.name} shape {list(header.shape)}; "
            "take both from one model"
        )
    shapes = _shapes(num_layers, embedding_size, hidden_size, len(tags))
    shapes["word_emb"] = (header.shape[0], embedding_size)
    parameters = {name: read_variable(inside(folder, f"model/{name}"), shape) for name, shape in shapes.items()}
    for name, array in parameters.items():
        if array.dtype.name != "float32":
            raise InputError(f"{folder / 'model' / name}: holds {array.dtype} where LAC has float32; copy it again")
    check_finite(parameters, folder / "model")
    pieces, total = _read_pieces(inside(folder, "conf/small_seg.dic"))
    replacements = _read_replacements(inside(folder, "conf/q2b.dic"))
    return LacFiles(
        parameters=parameters,
        num_layers=num_layers,
        hidden_size=hidden_size,
        word_ids=word_ids,
        tags=tags,
        replacements=replacements,
        pieces=pieces,
        log_total=log(total),
        folder=folder,
    )


def numbered_lines(path: PathLike) -> Iterator[tuple[int, str]]:
    """Lines of a dictionary with their numbers from 1 on, without line ends and without empty lines.

    Only the line ends of text files count: NEL and the like are characters that a dictionary may have.

    Raises:
        InputError: it can't be read, is far too large, or is not UTF-8; names the line.
    """
    try:
        with open_regular(path) as file:
            data = file.read(_DICTIONARY_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: the dictionary can't be read ({error.strerror}); check the path") from None
    if len(data) > _DICTIONARY_BYTES:
        raise InputError(f"{path}: is larger than {_DICTIONARY_BYTES >> 20} MB; give a dictionary of LAC's")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad_line = 1 + data.count(b"\n", 0, error.start)
        raise InputError(f"{path}:{bad_line}: byte {error.start} is not UTF-8; save the dictionary as UTF-8") from None
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line:
            yield number, line


def _read_settings(path: Path) -> tuple[int, int, int]:
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read_string("\n".join(line for _, line in numbered_lines(path)))
        kind = settings.get("TRAIN_CONFIG", "model", fallback="lac")
        sizes = [int(settings.get("NETWORK_CONFIG", name)) for name in ("bigru_num", "word_emb_dim", "grnn_hidden_dim")]
    except (configparser.Error, ValueError) as error:
        if isinstance(error, InputError):
            raise
        problem = " ".join(str(error).split())
        raise InputError(f"{path}: can't be read as LAC's settings ({problem}); copy it again") from None
    if kind != "lac":
        raise InputError(f"{path}: is for Baidu's {kind!r} model; give the folder lac_model")
    if not 1 <= sizes[0] <= _LAYERS or min(sizes) < 1:
        raise InputError(f"{path}: sizes {sizes} (layers, embedding, hidden) are none of LAC's; copy it again")
    return sizes[0], sizes[1], sizes[2]


def _shapes(num_layers: int, embedding_size: int, hidden_size: int, num_tags: int) -> dict[str, tuple[int, ...]]:
    """Shape of each parameter but the embedding: projections fc_* before the GRUs and, the last, to the tags."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index in range(2 * num_layers):
        input_size = embedding_size if index < 2 else 2 * hidden_size
        shapes[f"fc_{index}.w_0"] = (input_size, 3 * hidden_size)
        shapes[f"fc_{index}.b_0"] = (3 * hidden_size,)
        shapes[f"gru_{index}.w_0"] = (hidden_size, 3 * hidden_size)
        shapes[f"gru_{index}.b_0"] = (1, 3 * hidden_size)
    shapes[f"fc_{2 * num_layers}.w_0"] = (2 * hidden_size, num_tags)
    shapes[f"fc_{2 * num_layers}.b_0"] = (num_tags,)
    shapes["crfw"] = (num_tags + 2, num_tags)
    return shapes


def _fields(path: Path, separator: str, meaning: str) -> Iterator[tuple[str, str, Callable[[str], InputError]]]:
    """Both fields of each line, and what makes an error that names the line."""
    for number, line in numbered_lines(path):

        def wrong(problem: str, number: int = number) -> InputError:
            return InputError(f"{path}:{number}: {problem}; copy the dictionary again")

        fields = line.split(separator)
        if len(fields) != 2 or not all(fields):
            raise wrong(f"{line[:40]!r} is not {meaning}")
        yield fields[0], fields[1], wrong


def _number(digits: str, wrong: Callable[[str], InputError]) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise wrong(f"{digits[:40]!r} is not a number")
    return int(digits)


def _read_words(path: Path) -> dict[str, int]:
    ids: dict[str, int] = {}
    taken: set[int] = set()
    for digits, word, wrong in _fields(path, "\t", "an id, a tab and a word"):
        index = _number(digits, wrong)
        if word in ids:
            raise wrong(f"{word!r} is there twice")
        if index in taken:
            raise wrong(f"id {index} is there twice")
        taken.add(index)
        ids[word] = index
    if UNKNOWN not in ids:
        raise InputError(f"{path}: has no entry {UNKNOWN}; copy the dictionary again")
    if max(taken) != len(ids) - 1:
        raise InputError(f"{path}: {len(ids):,} words have ids up to {max(taken):,}; copy the dictionary again")
    return ids


def _read_tags(path: Path) -> list[str]:
    names: dict[int, str] = {}
    for digits, tag, wrong in _fields(path, "\t", "an id, a tab and a tag"):
        if not _TAG.fullmatch(tag):
            raise wrong(f"tag {tag[:40]!r} ends in none of -B, -I and is not O")
        names[_number(digits, wrong)] = tag  # a later line renames an id: nr becomes PER
    if not names or max(names) != len(names) - 1:
        raise InputError(f"{path}: {len(names)} tags have ids up to {max(names, default=0)}; copy the dictionary again")
    return [names[index] for index in range(len(names))]


def _read_replacements(path: Path) -> dict[str, str]:
    replacements: dict[str, str] = {}
    for old, new, wrong in _fields(path, "\t", "two characters with a tab between"):
        if old in replacements:
            raise wrong(f"{old!r} is there twice")
        replacements[old] = new
    return replacements


def _read_pieces(path: Path) -> tuple[dict[str, bool], int]:
    pieces: dict[str, bool] = {}
    total = 0
    for piece, count, wrong in _fields(path, " ", "a piece, a space and its count"):
        total += _number(count, wrong)
        if len(piece) > _PIECE_CHARACTERS:
            raise wrong(f"the piece {piece[:20]!r}... has {len(piece):,} characters, more than {_PIECE_CHARACTERS}")
        if not _add_piece(pieces, piece):
            raise wrong(f"its pieces are more than {_PIECES:,} with all that they begin with")
    if not total:
        raise InputError(f"{path}: has no piece; copy the dictionary again")
    return pieces, total
