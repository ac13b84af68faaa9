"""Which part of the pool is held out: of every source some blocks of text, whole documents where they are short.

Paragraphs of one document share names, topics and whole phrases, so that a held-out paragraph between two that were
read is half known; and one episode, law or weekly is like its neighbours. So what is held out is a block: documents
that follow each other, until they are 2,000 characters; a document longer than 10,000 characters is several blocks. Of
a novel there is then a block that was not read among those that were: names are known there, sentences are not.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

from elmo.errors import InputError
from elmo.system.inputs import MAX_FILE_BYTES, open_regular
from elmo.system.types import PathLike
from elmo.text.vocabulary import invalid_utf8

FULL_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}

_BLOCK_CHARS = 2_000  # a document's end behind so many characters ends a block
_MAX_BLOCK_CHARS = 10_000  # as does the end of any paragraph behind so many
_SHARE = 0.01  # of a source's characters is held out at least,
_ENOUGH_CHARS = 10_000  # and so many characters, or
_MAX_SHARE = 0.05  # of a small source, this share


def paragraph_blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Cut a source, a paragraph a line with empty lines between documents, into blocks; the empty lines stay."""
    block: list[str] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= (_MAX_BLOCK_CHARS if line else _BLOCK_CHARS):
            yield block
            block, size = [], 0
    if size:
        yield block


def held_out_blocks(source: list[list[str]]) -> set[int]:
    """Numbers of the blocks of a source that no model is pretrained on.

    They are those whose text has the smallest SHA-256 (white space does not count), as many as it takes to hold a
    hundredth of the source's characters and 10,000 characters; 10,000 need not be more than a twentieth. So every
    source has some, whatever its size. The order of the blocks does not matter.
    """
    sizes = [sum(map(len, block)) for block in source]
    enough = max(_SHARE * sum(sizes), min(_ENOUGH_CHARS, _MAX_SHARE * sum(sizes)))
    held_out: set[int] = set()
    characters = 0
    for number in sorted(range(len(source)), key=lambda number: _digest(source[number])):
        if characters >= enough:
            break
        held_out.add(number)
        characters += sizes[number]
    return held_out


def _digest(block: list[str]) -> bytes:
    return hashlib.sha256("".join("".join(block).split()).encode()).digest()


def find_sources(pool_dir: PathLike) -> dict[str, Path]:
    """Name of each source (NAME.txt or NAME.txt.xz) and its file.

    Raises:
        InputError: there is none, or one is there twice.
    """
    sources: dict[str, Path] = {}
    for path in sorted((*Path(pool_dir).glob("*.txt"), *Path(pool_dir).glob("*.txt.xz"))):
        name = path.name.removesuffix(".xz").removesuffix(".txt")
        if name in sources:
            raise InputError(f"{pool_dir}: {name} is there as .txt and as .txt.xz; keep one of them")
        sources[name] = path
    if not sources:
        raise InputError(f"{pool_dir}: no .txt or .txt.xz file; give the folder pool/ of the public corpora")
    return sources


def read_source(path: Path) -> list[str]:
    r"""Return the lines of a source, letters and digits at half width; only \n ends a line.

    Raises:
        InputError: it is no UTF-8, or no xz archive.
    """
    try:
        with open_regular(path) as file, lzma.open(file) if path.suffix == ".xz" else nullcontext(file) as unpacked:
            data = unpacked.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise InputError(f"{path}: has more than {MAX_FILE_BYTES:,} bytes: divide it")
        text = data.decode()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); give .txt or .txt.xz files") from None
    except UnicodeDecodeError as error:
        raise invalid_utf8(path, error) from None
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(f"{path}: is no whole .xz archive ({error}); get it again") from None
    return [line.rstrip("\r") for line in text.translate(FULL_WIDTH).removesuffix("\n").split("\n")]


def write_pool(pool_dir: PathLike, train_dir: Path, dev_dir: Path) -> tuple[int, int]:
    """Write the two parts of every source as NAME.txt into folders that exist; returns the paragraphs in each.

    Documents stay in their order, an empty line between them.

    Raises:
        InputError: see `find_sources` and `read_source`; or a source's name is taken in `train_dir`.
    """
    counts = [0, 0]
    for name, path in find_sources(pool_dir).items():
        if (train_dir / f"{name}.txt").exists():
            raise InputError(f"{path}: there is another source {name!r}; give it another name")
        source = list(paragraph_blocks(read_source(path)))
        held_out = held_out_blocks(source)
        for part, folder in enumerate((train_dir, dev_dir)):
            lines = _join(source, [number for number in range(len(source)) if (number in held_out) == bool(part)])
            text = "".join(f"{line}\n" for line in lines)
            (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
            counts[part] += sum(map(bool, lines))
    return counts[0], counts[1]


def _join(source: list[list[str]], numbers: list[int]) -> list[str]:
    """Lines of these blocks, with an empty line where what stood between two of them is left out."""
    lines: list[str] = []
    for place, number in enumerate(numbers):
        if place and number - numbers[place - 1] > 1 and lines[-1]:
            lines.append("")
        lines.extend(source[number])
    return lines
