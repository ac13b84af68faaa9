"""The public corpora that the book uses: where each comes from, its licence, its size and checksum.

An address is named only if the file there was seen to be the one that the checksum describes; what was made from its
source by a conversion, or has no certain address, comes with words instead.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath

from elmo.errors import InputError

NOT_STATED = "none stated"


@dataclass(frozen=True)
class DataFile:
    """A file of a dataset: its place in the data home, its size and checksum, where it comes from."""

    path: str  # in the data home, with /
    num_bytes: int
    sha256: str
    source: str  # repository @ commit : path, as far as it is known
    url: str | None = None  # only if the file there is this one
    about: str = ""  # what it holds, where the files of a dataset differ

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or self.path.startswith("/") or ".." in parts or any(c in self.path for c in "\\:\0"):
            raise InputError(f"the file name {self.path!r} leads out of the data home; name a place inside it")


@dataclass(frozen=True)
class Dataset:
    """A public corpus; `by_hand` says in words how to get what can't be downloaded by name, and is empty otherwise."""

    name: str
    description: str
    licence: str
    files: tuple[DataFile, ...]
    by_hand: str = ""

    @property
    def num_bytes(self) -> int:
        """Size of all its files."""
        return sum(file.num_bytes for file in self.files)

    @property
    def place(self) -> str:
        """Its file in the data home, or the folder of its files."""
        return self.files[0].path if len(self.files) == 1 else PurePosixPath(self.files[0].path).parent.as_posix()


_CHECKSUMS = """
1ad5c2b711abe757f2caef8e54e335d4753fac611ae090b76aed0999f036ecc9   8723350  lac/peoples_daily_199801_01-24.txt
933252500861e43091920b43311ef8d806404beeabbaa52b30e215d250140e2e   3282103  lac/ud_gsdsimp_train.conll
f34a279d10f00921e1be0fe2d901a9fbab3cee11cd1eb4d5a2c46f55bb109765    422116  lac/ud_gsdsimp_dev.conll
762144d4334117d51cf66c0478bb35fda215cb7ce98d941072a0cf84980f599c  15018708  ner/msra_ner.txt
93b9bb0be5dd4730121587f9dc1378de3fbbe55cba1c575edec271f822c27be7   1094528  ner/resume_train.char.bmes
1b0d67153e6e8543e9444936ed1b107bd843078c282533898085e1a9aa293952    120251  ner/resume_dev.char.bmes
c4a9f42622819a4b59f66e184d446ebfa89b2f1dbba06e11d70675e59fe7e79b    135064  ner/resume_test.char.bmes
60299d202779dc84f3c3bd81f4dc08f5323d0dbf762cb50cd62dd51aa9a871f8   2262996  ner/cluener_train.json
0d92d4cf99545673bcb5f4a550d14e4af147d78c0fbe21fd023da51cf01daeb4   4658902  sentiment/shopping_reviews_7cats.csv
b8b5c11c00b51578d35937fca56e03a126b45381f1ea4b22893237cb377a26fe    919380  sentiment/waimai_10k.csv
d3cd41ed89b8f6196a76ebff2aa03d5ecf42edcd12942aa865d34f7e570af7c2    690285  similarity/lcqmc_dev.tsv
2c111beccec92e9bcadfb2b5203895df89847786462d880d5d2bf98ab5169202    732341  similarity/bq_dev.csv
226195955cf91bcfacec4d74c48d77e246808f65ad2a7d990c0f5194025e363d   3524664  similarity/atec_nlp_sim_train.csv
b8a0b7b72f62eb8d47a4d21ba34c4948bf2bdf5fde649a964ef3779504c7ab81   2893982  nli/ocnli_train_10k.json
f3fae95b57da8e03afb2b57467dd221417060ef4d82db13bf22fc88589f3a6f3    800221  qa/cmrc2018_trial.json
822b25ceba0f6b916355e20a6611704de4b65933898196ee19de95f9c0203483      4896  words/wordsim-240.txt
d2e7a4b162e79ef619b0c57c3019adf3d1ae1d12fe3ca11e9a86e4e0df879664      7169  words/wordsim-297.txt
aa90024695f5a82411940804e03ee1512df2a3be0a5aa44da404423ae34d9247     30585  words/analogy.txt
ed47740c28d5ce052f205e7ffff8e28dfefe451fcd39867bbe98ef710cc6bf4f    341904  words/ca8_morphological.txt
9fe79d2649031cf7834bcdcff45d01b7c537c55ca417043d59b1ab798af83624    488302  senses/mcl_wic_dev.zh-zh.data
2779df7d4fb779604caadfac1796284a03957293fc9c5fa62113c1c1f54328fe     62893  senses/mcl_wic_dev.zh-zh.gold
cd56ee9db1a0da078424cded3f6837f9bd6db2e904fe4e1ceb1b9bef1abca613   4639588  raw/c3.txt
09f53dab3c77d0f09c015a7402abda64a8670be62dfabc8a7d4477f07d280d07   1881341  raw/cluecorpussmall.txt
ad97d3e69e345353957551960e51e04819f2169bce9b30438acf0ad3d4f6e1f7   1013489  raw/cystanford_articles.txt
4df75efc31d7703f9b2376a22b05c5bba6ed31b4e462cdc56ea576ec412ed8ed  15335900  raw/fewclue.txt
276513b83365c9350d94d28b8463648e189d8ef659ac6d101d67934dc802b8a3  15382291  raw/fincuge.txt
91a6228ee05ace414022bb21f05e17fa8ebd06c1209f68ef23c1500044cddef9    637578  raw/howtocook.txt
6a61f02774b0abb9c2ef19ba547ed67a0106db6e12a30a4ad577dc3612ee9946    289112  raw/ruanyf_survivor.txt
9f1c1ca2ca0c5c11d9f6be791a12957ab0c1e553449f490db8ea907a4be66489   5999675  raw/ruanyf_weekly.txt
279a4608c0cfea443875733cd9c2b90d910b4d052aee4c0cfb8255c65ca66f80   4242492  raw/shopping_reviews.txt
190c5ccee96e52de3c685f912cc57b8a66580416fa874a47593afa6b6cf59fab   2936177  raw/yihui_blog.txt
"""  # SHA-256, bytes, place in the data home
_KNOWN = {place: (int(num_bytes), sha256) for sha256, num_bytes, place in map(str.split, _CHECKSUMS.split("\n")[1:-1])}


def _file(place: str, source: str, url: str | None = None) -> DataFile:
    num_bytes, sha256 = _KNOWN[place]
    return DataFile(place, num_bytes, sha256, source, url)


def _github(place: str, repository: str, revision: str, inside: str) -> DataFile:
    """A file that is, as it stands, the file `inside` of a repository."""
    url = f"https://raw.githubusercontent.com/{repository}/{revision}/{inside}"
    return _file(place, f"github.com/{repository} @ {revision} : {inside}", url)


_NLP_CORPUS = "github.com/SophonPlus/ChineseNlpCorpus @ a0b781d72158bde242c0626c9e354d2b328865ff"
_NLP_DATASETS = "github.com/IceFlameWorm/NLP_Datasets @ a2203a7361b6386dd8d8b64f5d600aa1ec730d0d"
_CHINESE_NER = "github.com/DSXiangLi/ChineseNER @ 4c0280487206d8c21a6a7dbf8269009cbc1f25a3"
_LCQMC = "github.com/Chriszhangmw/LCQMC @ 2fa3ebdf8cb687f2a2bb985c0f01a5b662c7b7a2"
_CMRC = "github.com/ymcui/cmrc2018 @ c0eb1b6ba219847457e6af3180da722bbeb656af"
_MCL_WIC = "github.com/SapienzaNLP/mcl-wic @ 30d05d85a9902081bec8ca2eb2ba552e7570b1e7"
_RESUME = "github.com/jiesutd/LatticeLSTM @ 24d17f42 : ResumeNER"
_UDC = ("hankcs/multi-criteria-cws", "d5d97b9db418696c7b0c2e85ee31e421ab3c3a14")
_CWE = "Leonard-Xu/CWE"


def _pool_files() -> list[DataFile]:
    """The files of the dataset `pool`: a table of thirty sources, read from registry_pool.toml beside this module."""
    table = tomllib.loads(files("elmo.corpora").joinpath("registry_pool.toml").read_text(encoding="utf-8"))
    return [
        DataFile(
            f"pool/{name}.txt.xz",
            entry["num_bytes"],
            entry["sha256"],
            f"{', '.join(entry['repositories'])} : {entry['inside']}",
            about=entry["about"],
        )
        for name, entry in table.items()
    ]


_REGISTRY = (
    Dataset(
        "peoples_daily",
        "People's Daily, 1-24 January 1998: words, PKU part-of-speech tags, bracketed organisations",
        "none stated; corpus notice: free, cite the source",
        (
            _file(
                "lac/peoples_daily_199801_01-24.txt",
                "github.com/La-catedral/NLPLab1 @ b8951c2f : TestFiles/std_1.txt to std_10.txt",
            ),
        ),
        "put the paragraphs of 1 to 24 January from the ten files together, in the order of their numbers, as UTF-8",
    ),
    Dataset(
        "ud_gsdsimp",
        "Universal Dependencies Chinese GSD, simplified characters (Wikipedia): words, UPOS, XPOS",
        "CC BY-SA 4.0",
        (
            _github("lac/ud_gsdsimp_train.conll", *_UDC, "data/other/udc/train.conll"),
            _github("lac/ud_gsdsimp_dev.conll", *_UDC, "data/other/udc/dev.conll"),
        ),
    ),
    Dataset(
        "msra_ner",
        "MSRA named entities (SIGHAN 2006): 55,289 sentences, character BIO",
        NOT_STATED,
        (_file("ner/msra_ner.txt", f"{_NLP_CORPUS} : datasets/dh_msra/dh_msra.zip"),),
        "unpack the archive",
    ),
    Dataset(
        "resume_ner",
        "named entities in résumés of executives: 4,761 sentences, character BMES",
        NOT_STATED,
        (
            _file("ner/resume_train.char.bmes", _RESUME),
            _file("ner/resume_dev.char.bmes", _RESUME),
            _file("ner/resume_test.char.bmes", _RESUME),
        ),
        "copy train.char.bmes, dev.char.bmes and test.char.bmes",
    ),
    Dataset(
        "cluener",
        "CLUENER, training part: 10,748 sentences, entities of 10 kinds",
        NOT_STATED,
        (_file("ner/cluener_train.json", f"{_CHINESE_NER} : data/cluener"),),
        "copy train.json",
    ),
    Dataset(
        "shopping_reviews",
        "35,922 product reviews of 7 categories with polarity",
        NOT_STATED,
        (_file("sentiment/shopping_reviews_7cats.csv", f"{_NLP_CORPUS} : datasets/online_shopping_10_cats"),),
        "take the reviews of 平板, 水果, 衣服, 洗发水, 手机, 蒙牛 and 热水器 from the archive there, "
        "as CSV with the columns cat, label, review",
    ),
    Dataset(
        "waimai",
        "11,987 reviews of delivered food with polarity",
        NOT_STATED,
        (
            _github(
                "sentiment/waimai_10k.csv",
                "SophonPlus/ChineseNlpCorpus",
                "032ed697ea6b37f6b99b2203c8fdbe0a9b47fd3e",
                "datasets/waimai_10k/waimai_10k.csv",
            ),
        ),
    ),
    Dataset(
        "lcqmc",
        "LCQMC, development part: 8,802 pairs of questions, same meaning or not",
        NOT_STATED,
        (_file("similarity/lcqmc_dev.tsv", _LCQMC),),
        "copy the development part of LCQMC, a TSV file below its folder sourceData",
    ),
    Dataset(
        "bq",
        "BQ corpus, development part: 10,000 pairs of questions to a bank, same meaning or not",
        NOT_STATED,
        (_file("similarity/bq_dev.csv", f"{_NLP_DATASETS} : BQ_corpus"),),
        "copy the development part, a CSV file",
    ),
    Dataset(
        "atec",
        "ATEC: 39,346 pairs of questions to a payment service, same meaning or not",
        NOT_STATED,
        (_file("similarity/atec_nlp_sim_train.csv", f"{_NLP_DATASETS} : ATEC"),),
        "copy atec_nlp_sim_train.csv",
    ),
    Dataset(
        "ocnli",
        "OCNLI, natural language inference: 10,000 training pairs",
        "CC BY-NC 2.0",
        (
            _github(
                "nli/ocnli_train_10k.json",
                "CLUEbenchmark/OCNLI",
                "d95d19b93c2b52f9b117d8dc1e30ef86ec82c1c4",
                "data/ocnli/train.10k.json",
            ),
        ),
    ),
    Dataset(
        "cmrc2018",
        "CMRC 2018, trial part: reading comprehension on 256 paragraphs",
        "CC BY-SA 4.0",
        (_file("qa/cmrc2018_trial.json", f"{_CMRC} : squad-style-data"),),
        "copy cmrc2018_trial.json (the one in data/ has another format)",
    ),
    Dataset(
        "wordsim_240",
        "240 pairs of words with a judgement of how related they are",
        "MIT",
        (_github("words/wordsim-240.txt", _CWE, "917fc7cef9e2e8aaab822798a3b94a71a6152618", "data/240.txt"),),
    ),
    Dataset(
        "wordsim_297",
        "297 pairs of words with a judgement of how similar they are (SemEval-2012, task 4)",
        "MIT",
        (_file("words/wordsim-297.txt", f"github.com/{_CWE} @ bc55e88a : data/297.txt"),),
        "copy it",
    ),
    Dataset(
        "analogy",
        "953 word analogies: capitals, provinces, family",
        "MIT",
        # of the commit only its beginning is known, which no address takes; other commits hold a longer file
        (_file("words/analogy.txt", f"github.com/{_CWE} @ bc55e88a : data/analogy.txt"),),
        by_hand="take data/analogy.txt of the repository at that commit",
    ),
    Dataset(
        "ca8_morphological",
        "CA8: 10,177 analogies between word forms",
        "Apache-2.0",
        (
            _github(
                "words/ca8_morphological.txt",
                "Embedding/Chinese-Word-Vectors",
                "b2f76767356a4dbc464d67b5dda3082ed5fba3ee",
                "testsets/CA8/morphological.txt",
            ),
        ),
    ),
    Dataset(
        "mcl_wic",
        "MCL-WiC, Chinese development part: 1,000 pairs of sentences, same sense of a word or not",
        "CC BY-NC 4.0",
        (_file("senses/mcl_wic_dev.zh-zh.data", _MCL_WIC), _file("senses/mcl_wic_dev.zh-zh.gold", _MCL_WIC)),
        "unpack dev.zh-zh.data and dev.zh-zh.gold from its archive of all datasets",
    ),
    Dataset(
        "raw",
        "plain paragraphs, one a line, 15.1 million Chinese characters: what models are pretrained on",
        "differs: howtocook Unlicense; yihui_blog CC BY-NC-SA 4.0; c3 research only; the others none stated",
        (
            _file("raw/c3.txt", "github.com/nlpdata/c3 @ 1f41682e"),
            _file("raw/cluecorpussmall.txt", "a sample of CLUECorpusSmall"),
            _file("raw/cystanford_articles.txt", "github.com/cystanford/text_classification"),
            _file("raw/fewclue.txt", "github.com/CLUEbenchmark/FewCLUE @ 62a02c6f"),
            _file("raw/fincuge.txt", "FinCUGE @ 654d132d"),
            _file("raw/howtocook.txt", "github.com/Anduin2017/HowToCook @ cbeb5367"),
            _file("raw/ruanyf_survivor.txt", "github.com/ruanyf/survivor"),
            _file("raw/ruanyf_weekly.txt", "github.com/ruanyf/weekly @ cf5e367d"),
            _file("raw/shopping_reviews.txt", "the dataset shopping_reviews"),
            _file("raw/yihui_blog.txt", "github.com/rbind/yihui @ c365abf2"),
        ),
        "take the text of each source without its markup, a paragraph a line, each only once, a file a source; lines "
        "that share a clause with evaluation text were dropped from these, so that your own will have other checksums",
    ),
    Dataset(
        "pool",
        "prose of thirty kinds, a paragraph a line, 86.5 million Chinese characters: what models are pretrained on "
        "beside raw",
        "differs, see each source; for most none stated, of some for research only (tvsub CC BY-NC-ND 4.0); nothing of "
        "it is passed on here",
        tuple(_pool_files()),
        "take from each repository, at that commit, the files named, as plain text without markup and code: a "
        "paragraph a line, an empty line between documents (of tvsub a subtitle a line), nothing twice, nothing that "
        "raw/ has; lines that share 12 characters or a clause of 8 with evaluation text were dropped, and some sources "
        "sampled, so that your own will have other checksums",
    ),
)
DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _REGISTRY}
