"""Which public text is never pretrained on, fixed once: a text's own hash decides, so order and files don't matter."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from elmo.errors import InputError
from elmo.text.vocabulary import invalid_utf8

REVIEWS_FILE = "shopping_reviews.txt"
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


@dataclass(frozen=True)
class SplitReport:
    """Paragraphs that `split_raw` put on each side; held-out reviews are on neither."""

    train: int
    dev: int
    reviews_held_out: int


def split_raw(raw_dir: str | os.PathLike[str], output_dir: str | os.PathLike[str]) -> SplitReport:
    """Copy raw/*.txt (a paragraph a line) into `output_dir`/train and `output_dir`/dev by the fixed rules.

    Raises:
        InputError: there is no text in `raw_dir`, or `output_dir` exists.
    """
    sources, target = sorted(Path(raw_dir).glob("*.txt")), Path(output_dir)
    if not sources:
        raise InputError(f"{raw_dir}: no .txt file; give the folder raw/ of the public corpora")
    if target.exists():
        raise InputError(f"{target} exists already: choose another place")
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    train = dev = reviews = 0
    try:
        for part in ("train", "dev"):
            (temporary / part).mkdir(parents=True)
        for source in sources:
            with (
                open(source, "rb") as lines,
                open(temporary / "train" / source.name, "w", encoding="utf-8", newline="\n") as train_file,
                open(temporary / "dev" / source.name, "w", encoding="utf-8", newline="\n") as dev_file,
            ):
                for number, data in enumerate(lines, 1):
                    try:
                        line = data.decode()
                    except UnicodeDecodeError as error:
                        raise invalid_utf8(source, error, number) from None
                    if source.name == REVIEWS_FILE and is_held_out_review(line):
                        reviews += 1
                    elif source.name != REVIEWS_FILE and is_held_out_paragraph(line):
                        dev_file.write(line)
                        dev += 1
                    else:
                        train_file.write(line)
                        train += 1
        os.rename(temporary, target)
    except OSError as error:
        raise InputError(f"{target}: can't be written ({error.strerror}); choose another place") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return SplitReport(train, dev, reviews)
