"""Which public text is never pretrained on, fixed once, because something is scored on it later.

- Reviews: a tenth, by hash of their text (sense scores, sentiment). All other text of raw/: one paragraph in 200
  (perplexity). Order and files don't matter.
- The pool: of every source about a hundredth, in blocks (perplexity); see `elmo.corpora.pool`.
- People's Daily, January 1998: the 22nd (development), the 23rd and 24th (test).
- Universal Dependencies, Chinese GSD: all but its training part.
- The task sets (inference, similarity, names, questions): nothing of them is pretrained on.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elmo.corpora.pool import FULL_WIDTH, write_pool
from elmo.errors import InputError
from elmo.system.files import temporary_directory
from elmo.system.inputs import lines, open_regular, read_whole
from elmo.system.types import PathLike
from elmo.text.vocabulary import invalid_utf8

REVIEWS_FILE = "shopping_reviews.txt"
PEOPLES_DAILY_FILE = "peoples_daily_199801_01-24.txt"
UD_TRAIN_FILE = "ud_gsdsimp_train.conll"
_DEV_DAYS, _TEST_DAYS = ("19980122",), ("19980123", "19980124")
_REVIEWS_HELD_OUT = 10  # one review in ten is kept for the sense scores
_RAW_HELD_OUT = 200  # one paragraph in 200 of all else is kept for perplexity


def bucket(text: str, buckets: int) -> int:
    """Number from 0 to `buckets` - 1 that depends on the text alone; white space does not count."""
    digest = hashlib.sha256("".join(text.split()).encode()).digest()
    return int.from_bytes(digest[:8], "big") % buckets


def is_held_out_review(review: str) -> bool:
    """True for the tenth of the reviews that no model is pretrained on."""
    return bucket(review, _REVIEWS_HELD_OUT) == 0


def is_held_out_paragraph(paragraph: str) -> bool:
    """True for the part of the raw text on which perplexity is measured."""
    return bucket(paragraph, _RAW_HELD_OUT) == 0


def peoples_daily_part(line: str) -> str:
    """Part of a line of People's Daily, by the day at its beginning: "train", "dev" or "test"."""
    day = line[:8]
    return "dev" if day in _DEV_DAYS else "test" if day in _TEST_DAYS else "train"


def peoples_daily_text(line: str) -> str:
    """Plain text of a tagged paragraph, `number/m  word/tag [word/tag word/tag]tag ...`, digits at half width."""
    words = (re.sub(r"/[A-Za-z]+(\][A-Za-z]*)?$", "", piece.removeprefix("[")) for piece in line.split()[1:])
    return "".join(words).translate(FULL_WIDTH)


def conll_texts(lines: Iterable[str]) -> Iterator[str]:
    """Plain text of each sentence of a CoNLL file, the second column; Latin words keep a space between them."""
    text = ""
    for line in lines:
        columns = line.rstrip("\r\n").split("\t")
        if len(columns) > 1:
            word = columns[1]
            text += (" " if text[-1:].isascii() and text[-1:].isalnum() and word[:1].isascii() else "") + word
        elif text:
            yield text
            text = ""
    if text:
        yield text


@dataclass(frozen=True)
class SplitReport:
    """Paragraphs that `split_raw` put on each side; held-out reviews are on neither."""

    train: int
    dev: int
    reviews_held_out: int
    pool_dev: int = 0


def split_raw(
    raw_dir: PathLike, output_dir: PathLike, lac_dir: PathLike | None = None, pool_dir: PathLike | None = None
) -> SplitReport:
    """Copy raw/*.txt (a paragraph a line) into `output_dir`/train and `output_dir`/dev by the fixed rules.

    Args:
        raw_dir: folder of plain text.
        output_dir: gets the folders train and dev.
        lac_dir: folder of the tagged corpora; the plain text of their training parts is added to train.
        pool_dir: folder of the pool, .txt or .txt.xz; added to train, what is held out of it goes into
            `output_dir`/pool_dev, so that dev stays what it was.

    Raises:
        InputError: there is no text in `raw_dir` or `pool_dir`, `lac_dir` lacks a corpus, or `output_dir` exists.
    """
    sources = sorted(Path(raw_dir).glob("*.txt"))
    target = Path(output_dir)
    if not sources:
        raise InputError(f"{raw_dir}: no .txt file; give the folder raw/ of the public corpora")
    if os.path.lexists(target):
        raise InputError(f"{target} exists already: choose another place")
    train = dev = reviews = pool_dev = 0
    try:
        with temporary_directory(target, parents=True) as temporary:
            for part in ("train", "dev"):
                (temporary / part).mkdir(parents=True)
            for source in sources:
                with (
                    open(temporary / "train" / source.name, "w", encoding="utf-8", newline="\n") as train_file,
                    open(temporary / "dev" / source.name, "w", encoding="utf-8", newline="\n") as dev_file,
                ):
                    for line in _paragraphs(source):
                        if source.name == REVIEWS_FILE and is_held_out_review(line):
                            reviews += 1
                        elif source.name != REVIEWS_FILE and is_held_out_paragraph(line):
                            dev_file.write(line)
                            dev += 1
                        else:
                            train_file.write(line)
                            train += 1
            if lac_dir is not None:
                train += _write_tagged(Path(lac_dir), temporary / "train")
            if pool_dir is not None:
                (temporary / "pool_dev").mkdir()
                pool_train, pool_dev = write_pool(pool_dir, temporary / "train", temporary / "pool_dev")
                train += pool_train
            os.rename(temporary, target)
    except OSError as error:
        raise InputError(f"{target}: can't be written ({error.strerror}); choose another place") from error
    return SplitReport(train, dev, reviews, pool_dev)


def _paragraphs(source: Path) -> Iterator[str]:
    """Lines of a text with their ends."""
    try:
        with open_regular(source) as file:
            for number, data in enumerate(lines(file), 1):
                try:
                    yield data.decode()
                except UnicodeDecodeError as error:
                    raise invalid_utf8(source, error, number) from None
    except OSError as error:
        raise InputError(f"{source}: can't be read ({error.strerror}); give UTF-8 text, a paragraph a line") from None


def _write_tagged(lac_dir: Path, target: Path) -> int:
    """Write the plain text of the tagged corpora's training parts; returns the number of paragraphs."""
    readers = {
        PEOPLES_DAILY_FILE: lambda lines: (peoples_daily_text(x) for x in lines if peoples_daily_part(x) == "train"),
        UD_TRAIN_FILE: conll_texts,
    }
    count = 0
    for name, read in readers.items():
        if not (lac_dir / name).is_file():
            raise InputError(f"{lac_dir}: {name} is missing; give the folder lac/ of the public corpora")
        try:
            tagged = read_whole(lac_dir / name).decode().splitlines()
        except UnicodeDecodeError as error:
            raise invalid_utf8(lac_dir / name, error) from None
        paragraphs = [text for text in read(tagged) if text]
        (target / f"{Path(name).stem}.txt").write_text("".join(f"{text}\n" for text in paragraphs), encoding="utf-8")
        count += len(paragraphs)
    return count
