"""`elmo export --to web`: a model as a page that works by itself, from the disk or any static host."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from elmo.encoding.encoder import Encoder, load_pretrained
from elmo.errors import InputError
from elmo.system.files import (
    check_replaceable,
    first_foreign,
    replace_directory,
    temporary_directory,
    whole_file,
    writable_file,
)
from elmo.web.cells import quotation_cell
from elmo.web.model_arrays import model_arrays, model_facts
from elmo.web.packing import pack_page, script
from elmo.web.senses import sense_data
from elmo.word_vectors import WordVectors

STATIC = Path(__file__).with_name("static")
ENGINE = ("kernels", "weights", "words", "reader", "guesses", "senses", "worker")  # in the order in which they load
PAGE = (
    *("labels", "dom", "client", "boxes", "guesses_view", "map", "senses_view"),
    *("substitutes_view", "inside_view", "compare_view", "page"),
)
SCRIPT_FILE, STYLE_FILE, MODEL_FILE, PAGE_FILE = "elmo-live.js", "elmo-live.css", "elmo-live-model.js", "index.html"
LARGEST = 30_000_000  # bytes of weights: what a telephone reads in a few seconds

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ELMo live</title>
<style>html {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
body {{ margin: 1rem auto; max-width: 60rem; padding: 0 1rem; }}</style>
{style}
</head>
<body>
<h1>ELMo live</h1>
<div class="elmo-live"></div>
<noscript>This page computes in your browser, and needs JavaScript.</noscript>
{scripts}
</body>
</html>
"""


@dataclasses.dataclass(frozen=True)
class WebModel:
    """A model's script for pages, and how large it is."""

    script: str
    weight_bytes: int  # of all arrays, before base64


def web_model(encoder: Encoder, senses: Path | None = None, word_vectors: WordVectors | None = None) -> WebModel:
    """Make the script that gives a page a model.

    Args:
        encoder: the model, its vocabulary and its segmenter.
        senses: marked sentences, such as data/senses.tsv, for "Which sense?".
        word_vectors: whose neighbours stand beside.

    Raises:
        InputError: a page can't run such a model, it is larger than `LARGEST`, or the sentences are malformed.
    """
    arrays = model_arrays(encoder.model)
    facts = {**model_facts(encoder), "cell": quotation_cell(encoder, arrays), "senses": None}
    if senses is not None:
        marked = sense_data(encoder, senses, word_vectors)
        arrays |= marked.arrays
        facts["senses"] = marked.words
    header, body = pack_page(arrays, facts)
    if len(body) > LARGEST:
        raise InputError(
            f"the model has {len(body) / 1e6:.0f} MB in int8, more than the {LARGEST / 1e6:.0f} MB of a page: "
            "choose one with a smaller vocabulary or smaller layers"
        )
    return WebModel(script(header, body), len(body))


def page_script() -> str:
    """The engine and the page's own scripts as one."""
    return "".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in (*ENGINE, *PAGE))


def page_style() -> str:
    """The page's style sheet."""
    return (STATIC / "page.css").read_text(encoding="utf-8")


def export_web(
    source: str | Path,
    output: Path,
    *,
    senses: Path | None = None,
    word_vectors: str | Path | None = None,
    overwrite: bool = False,
) -> int:
    """Write a page with a model, and return its bytes.

    Args:
        source: see `elmo.encoding.encoder.load_pretrained`.
        output: a folder, which gets index.html and what it needs; or a file that ends in .html and holds all of it.
        senses, word_vectors: see `web_model`; the latter a name or a path.
        overwrite: take the place of a file that is there. A folder's page is always made anew.

    Raises:
        InputError: as `web_model`; or the output can't be written, or is there already and no such page.
    """
    if output.suffix != ".html":
        check_replaceable(output, _find_foreign)
    elif writable_file(output).exists() and not overwrite:
        raise InputError(f"{output} exists already: choose another place, or give --overwrite True")
    encoder = load_pretrained(source)
    vectors = None if word_vectors is None else WordVectors.load(word_vectors)
    try:
        model = web_model(encoder, senses, vectors)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    files = {SCRIPT_FILE: page_script(), STYLE_FILE: page_style(), MODEL_FILE: model.script}
    if output.suffix == ".html":
        with whole_file(output, parents=True) as temporary:
            temporary.write_text(_one_page(files), encoding="utf-8")
        return output.stat().st_size
    files[PAGE_FILE] = _HTML.format(
        style=f'<link rel="stylesheet" href="{STYLE_FILE}">', scripts=f'<script src="{SCRIPT_FILE}"></script>'
    )
    return _write_folder(files, output)


def _one_page(files: Mapping[str, str]) -> str:
    return _HTML.format(
        style=f"<style>\n{files[STYLE_FILE]}</style>",
        scripts=f"<script>{files[MODEL_FILE]}</script>\n<script>{files[SCRIPT_FILE]}</script>",
    )


def _write_folder(files: Mapping[str, str], output: Path) -> int:
    try:
        with temporary_directory(output, parents=True) as temporary:
            for name, text in files.items():
                (temporary / name).write_text(text, encoding="utf-8")
            replace_directory(temporary, output, _find_foreign)
    except OSError as error:
        raise InputError(f"{output}: can't be written ({error.strerror}); choose another place") from error
    return sum(path.stat().st_size for path in output.iterdir())


def _find_foreign(directory: Path) -> Path | None:
    """First thing in a folder that no export has written there; an empty one holds none."""
    names = (SCRIPT_FILE, STYLE_FILE, MODEL_FILE, PAGE_FILE)
    if foreign := first_foreign(directory, names):
        return foreign
    is_ours = all((directory / name).is_file() for name in names)
    return None if is_ours else min(directory.iterdir(), default=None)
