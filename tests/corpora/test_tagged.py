"""Gold data in LAC's tags: what becomes one word, where a sentence ends, and that nothing of the text is lost."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.corpora.peoples_daily import PKU_BRACKETS, PKU_TO_LAC, read_peoples_daily
from elmo.corpora.splits import conll_texts, peoples_daily_part, peoples_daily_text
from elmo.corpora.tagged import COARSE, LAC_TAGS, TAG_GROUPS, Tagged, widen_punctuation
from elmo.corpora.universal_dependencies import UD_TO_LAC, read_ud
from elmo.errors import InputError
from elmo.text.sentences import split_sentences

# Day, part and counts of the corpora that the project names: paragraphs, sentences, words.
PEOPLES_DAILY = {"train": (13323, 30952, 747581), "dev": (701, 1634, 42271), "test": (1743, 4099, 104526)}
UD = {"train": (3997, 94156), "dev": (500, 12072)}


@pytest.fixture
def daily(tmp_path):
    """Write paragraphs of the 5th of January, and read the words with their tags, as `words/tag words/tag`."""

    def read(*paragraphs):
        path = tmp_path / "daily.txt"
        lines = [f"19980105-01-001-{number:03}/m  {text}\n" for number, text in enumerate(paragraphs, 1)]
        path.write_text("".join(lines), encoding="utf-8")
        return [show(sentence) for sentence in read_peoples_daily(path)]

    return read


@pytest.fixture
def conll(tmp_path):
    """Write sentences of `word/UPOS/XPOS`, and read them."""

    def read(*sentences):
        path = tmp_path / "ud.conll"
        text = ""
        for sentence in sentences:
            for number, token in enumerate(sentence.split(), 1):
                word, universal, chinese = token.rsplit("/", 2)
                text += f"{number}\t{word}\t_\t{universal}\t{chinese}\t_\t0\troot\t_\t_\n"
            text += "\n"
        path.write_text(text, encoding="utf-8")
        return read_ud(path)

    return read


def show(sentence):
    return " ".join(f"{word}/{tag}" for word, tag in zip(sentence.words, sentence.tags, strict=True))


def test_the_tags_are_those_of_baidus_lac(shared):
    names = {}
    for line in (shared / "models/baidu_lac/conf/tag.dic").read_text(encoding="utf-8").splitlines():
        index, tag = line.split("\t")
        names[index] = tag[:-2]
    assert set(LAC_TAGS) == {tag for tag in names.values() if tag}


def test_tables_lead_to_lacs_tags_and_each_tag_is_in_one_group_and_one_class():
    assert len(LAC_TAGS) == 24
    assert all(gloss.english and gloss.chinese for gloss in LAC_TAGS.values())
    assert sorted(tag for group in TAG_GROUPS.values() for tag in group) == sorted(LAC_TAGS)
    assert set(COARSE) == set(LAC_TAGS)
    targets = {*PKU_TO_LAC.values(), *UD_TO_LAC.values(), *filter(None, PKU_BRACKETS.values())}
    assert targets <= set(LAC_TAGS)


def test_surname_and_given_name_are_one_person(daily):
    assert daily("校长/n 林/nr 晓雨/nr 和/c 赵/nr 青/nr 来/v 了/u") == ["校长/n 林晓雨/PER 和/c 赵青/PER 来/v 了/u"]


@pytest.mark.parametrize(
    ("names", "persons"),
    [
        ("林/nr 晓雨/nr 赵/nr 青/nr", "林晓雨/PER 赵青/PER"),  # two persons, no mark between
        ("赵/nr 青/nr 林/nr 晓雨/nr", "赵青/PER 林晓雨/PER"),
        ("欧阳/nr 青/nr", "欧阳青/PER"),
        ("欧阳/nr 晓雨/nr", "欧阳晓雨/PER"),
        ("晓雨/nr 大宝/nr", "晓雨/PER 大宝/PER"),  # given names alone
        ("大宝/nr 林/nr 晓雨/nr", "大宝/PER 林晓雨/PER"),
        ("林/nr 赵/nr 晓雨/nr", "林赵晓雨/PER"),  # two surnames
        ("哈利波特/nr 赫敏/nr", "哈利波特/PER 赫敏/PER"),
        ("林/nr 哈利波特/nr", "林/PER 哈利波特/PER"),
        ("林/nr 晓（雨音）/nr", "林晓（雨音）/PER"),
        ("小林/nr", "小林/PER"),
        ("林/nr 老师/n", "林/PER 老师/n"),
        ("林/nr 、/w 晓雨/nr", "林/PER 、/w 晓雨/PER"),
    ],
)
def test_where_a_persons_name_begins_and_ends(daily, names, persons):
    assert daily(names) == [persons]


def test_a_bracketed_organisation_or_place_is_one_word(daily):
    assert daily("[海边/s 渔业/n 公司/n]nt 在/p [青山/ns 公园/n]ns 开会/v") == [
        "海边渔业公司/ORG 在/p 青山公园/LOC 开会/v"
    ]


def test_of_nested_brackets_the_outermost_wins_unless_its_words_stay_apart(daily):
    assert daily("[[青山/ns 市/n]ns 医院/n]nt 很/d 大/a") == ["青山市医院/ORG 很/d 大/a"]
    assert daily("[[[青山/ns 市/n]ns 医院/n]nt 杯/n]nz") == ["青山市医院/ORG 杯/n"]
    assert daily("[青山/ns [林/nr 晓雨/nr 纪念馆/n]ns]nt") == ["青山林晓雨纪念馆/ORG"]


def test_words_of_other_brackets_stay_apart_with_their_own_tags(daily):
    assert daily("[青山/ns 铁路/n]nz 通车/v") == ["青山/LOC 铁路/n 通车/v"]
    assert daily("[早睡/l ，/w 早起/l]l") == ["早睡/n ，/w 早起/n"]


def test_a_name_does_not_reach_into_a_bracket(daily):
    assert daily("林/nr [晓雨/nr 公司/n]nt") == ["林/PER 晓雨公司/ORG"]


@pytest.mark.parametrize(
    ("words", "times"),
    [
        ("２００３年/t ５月/t ６日/t", "2003年5月6日/TIME"),
        ("二○○三年/t 五月/t 六日/t 晚上/t", "二○○三年五月六日/TIME 晚上/TIME"),
        ("２００３年/t ５月/t", "2003年/TIME 5月/TIME"),
        ("去年/t ５月/t ６日/t", "去年/TIME 5月6日/TIME"),
        ("５月/t ６日/t 下午/t ４时/t ３０分/t", "5月6日/TIME 下午/TIME 4时30分/TIME"),
        ("今天/t 上午/t", "今天/TIME 上午/TIME"),
        ("５月/t 、/w ６日/t", "5月/TIME 、/w 6日/TIME"),
    ],
)
def test_month_and_day_and_hour_and_minute_are_one_time(daily, words, times):
    assert daily(words) == [times]


def test_an_abbreviation_of_one_character_is_a_place_and_a_proper_name_in_title_marks_a_work(daily):
    assert daily("京/j 沪/j 高校/j") == ["京/LOC 沪/LOC 高校/n"]
    assert daily("读/v 《/w 青山记/nz 》/w") == ["读/v 《/w 青山记/nw 》/w"]
    assert daily("《/w 青山记/nz 序/n 》/w") == ["《/w 青山记/nz 序/n 》/w"]
    assert daily("青山记/nz 》/w") == ["青山记/nz 》/w"]


def test_digits_and_letters_get_half_width_and_punctuation_keeps_its_own(daily):
    assert daily("Ｗ５/nx （/w １２％/m ）/w ／/w") == ["W5/nz （/w 12％/m ）/w ／/w"]


def test_sentences_end_with_their_closing_quotes(daily):
    assert daily("“/w 走/v 吧/y ！/w ”/w 他/r 说/v 。/w 雨/n 停/v 了/y", "题目/n") == [
        "“/w 走/v 吧/xc ！/w ”/w",
        "他/r 说/v 。/w",
        "雨/n 停/v 了/xc",
        "题目/n",
    ]


def test_a_sentence_does_not_end_within_a_word(daily):
    assert daily("[快/a ！/w 搬家/vn 公司/n]nt 来/v 了/y 。/w 好/a") == ["快！搬家公司/ORG 来/v 了/xc 。/w", "好/a"]


def test_each_part_has_its_days_and_each_sentence_its_line(tmp_path):
    path = tmp_path / "daily.txt"
    days = {"19980121": "train", "19980122": "dev", "19980123": "test", "19980124": "test"}
    path.write_text("".join(f"{day}-01-001-001/m  {day[-2:]}/m\n\n" for day in days), encoding="utf-8")
    for part in ("train", "dev", "test"):
        expected = [day[-2:] for day in days if days[day] == part]
        assert [sentence.text for sentence in read_peoples_daily(path, [part])] == expected
    assert [sentence.place for sentence in read_peoples_daily(path, ("dev", "test"))] == [
        f"{path}:{number}" for number in (3, 5, 7)
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("雨/n 停/Zz", "tag 'Zz' of '停/Zz'"),
        ("雨/n 停", "'停' is not word/tag"),
        ("雨/n /v", "'/v' is not word/tag"),
        ("雨/n停/v", "'雨/n停/v' is not word/tag"),
        ("雨/", "'雨/' is not word/tag"),
        ("[/w 雨/n", "'[/w' is not word/tag"),
        ("[雨/n 停/v]", "'停/v]' is not word/tag"),
        ("[雨/n 停/v", "the bracket before '雨' is not closed"),
        ("雨/n 停/v]nt", "no bracket is open at '停/v]nt'"),
        ("[雨/n 停/v]qq", "bracket tag 'qq'"),
        ("", "has no words"),
        ("雨\0/n", "control character"),
        ("雨\ufeff/n", "U+FEFF"),
    ],
)
def test_what_is_malformed_is_named_with_its_line(tmp_path, text, problem):
    path = tmp_path / "daily.txt"
    path.write_text(f"19980105-01-001-001/m  好/a\n19980105-01-001-002/m  {text}\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_peoples_daily(path)
    assert str(error.value).startswith(f"{path}:2: ")
    assert problem in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_line_without_number_bad_bytes_and_parts_that_are_none_or_empty(tmp_path):
    path = tmp_path / "daily.txt"
    path.write_text("雨/n 停/v\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"daily\.txt:1: '雨/n' is no paragraph number"):
        read_peoples_daily(path)
    path.write_bytes(b"19980105-01-001-001/m  \xff/n\n")
    with pytest.raises(InputError, match=r"daily\.txt:1: byte 24"):
        read_peoples_daily(path)
    path.write_text("19980105-01-001-001/m  雨/n\n", encoding="utf-8")
    with pytest.raises(InputError, match="no paragraph of dev, test"):
        read_peoples_daily(path, ("dev", "test"))
    with pytest.raises(InputError, match="parts has 'night'"):
        read_peoples_daily(path, ("train", "night"))
    with pytest.raises(InputError, match="nowhere"):
        read_peoples_daily(tmp_path / "nowhere")


@given(
    st.lists(
        st.tuples(
            st.text("天地人。！？…”、《》１２Ａb（", min_size=1, max_size=3), st.sampled_from(sorted(PKU_TO_LAC))
        ),
        min_size=1,
        max_size=30,
    ),
    st.sets(st.integers(0, 29)),
)
def test_joined_the_sentences_are_the_text_and_end_where_the_splitter_says(tmp_path_factory, tagged, opened):
    pieces = [f"{word}/{tag}" for word, tag in tagged]
    for index in sorted(opened):
        if index + 1 < len(pieces) and index % 2 == 0:
            pieces[index], pieces[index + 1] = f"[{pieces[index]}", f"{pieces[index + 1]}]nt"
    line = f"19980105-01-001-001/m  {'  '.join(pieces)}"
    path = tmp_path_factory.getbasetemp() / "generated.txt"
    path.write_text(f"{line}\n", encoding="utf-8")
    sentences = read_peoples_daily(path)
    assert "".join(sentence.text for sentence in sentences) == peoples_daily_text(line)
    assert all(len(sentence.words) == len(sentence.tags) > 0 for sentence in sentences)
    assert all(word for sentence in sentences for word in sentence.words)
    ends = {sum(len(other.text) for other in sentences[: index + 1]) for index in range(len(sentences))}
    borders, place = set(), 0
    for text in split_sentences(peoples_daily_text(line)):
        place += len(text)
        borders.add(place)
    assert ends <= borders
    word_ends, place = set(), 0
    for word in (word for sentence in sentences for word in sentence.words):
        place += len(word)
        word_ends.add(place)
    assert borders & word_ends == ends


def test_universal_tags_become_lacs_and_suffixes_part_of_their_word(conll):
    sentences = conll(
        "研究/VERB/VV 者/PART/SFN 在/ADP/IN 青山/PROPN/NNP 市/PART/SFN 测量/VERB/VV 厚/ADJ/JJ 度/PART/SFN ,/PUNCT/,",
        "他们/PRON/PRP 用/VERB/VV 了/PART/AS 三/NUM/CD 天/NOUN/NNB ./PUNCT/.",
    )
    assert [show(sentence) for sentence in sentences] == [
        "研究者/n 在/p 青山市/nz 测量/v 厚度/n ,/w",
        "他们/r 用/v 了/u 三/m 天/q ./w",
    ]
    assert [sentence.place.rsplit(":", 1)[1] for sentence in sentences] == ["1", "11"]


def test_a_suffix_with_no_word_before_it_is_a_word(conll):
    assert [show(sentence) for sentence in conll("者/PART/SFN 、/PUNCT/EC 性/PART/SFN")] == ["者/n 、/w 性/n"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1\t雨\t_\tNOUN", "not a token of ten columns"),
        ("1-2\t雨\t_\tNOUN\tNN\t_\t0\troot\t_\t_", "not a token of ten columns"),
        ("1\t\t_\tNOUN\tNN\t_\t0\troot\t_\t_", "'' is no word"),
        ("1\t雨 天\t_\tNOUN\tNN\t_\t0\troot\t_\t_", "'雨 天' is no word"),
        ("1\t雨\t_\tNOUN\tVV\t_\t0\troot\t_\t_", "tags NOUN VV of '雨'"),
    ],
)
def test_a_malformed_token_is_named_with_its_line(tmp_path, line, problem):
    path = tmp_path / "ud.conll"
    path.write_text(f"1\t好\t_\tADJ\tJJ\t_\t0\troot\t_\t_\n{line}\n\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"ud.conll:2: .*{problem}"):
        read_ud(path)


def test_a_file_without_tokens_is_an_error(tmp_path):
    path = tmp_path / "ud.conll"
    path.write_text("# nothing\n\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no sentence"):
        read_ud(path)


def test_a_tagged_sentence_knows_its_text():
    assert Tagged(["雨", "停", "了"], ["n", "v", "u"]).text == "雨停了"


@pytest.mark.slow
def test_the_real_peoples_daily_keeps_its_text_and_uses_every_tag_of_the_table(shared):
    path = shared / "corpora/lac/peoples_daily_199801_01-24.txt"
    lines = path.read_text(encoding="utf-8").split("\n")
    sentences = read_peoples_daily(path, tuple(PEOPLES_DAILY))
    texts = defaultdict(str)
    counts = {part: Counter() for part in PEOPLES_DAILY}
    for sentence in sentences:
        assert len(sentence.words) == len(sentence.tags) > 0
        texts[sentence.place] += sentence.text
        part = peoples_daily_part(lines[int(sentence.place.rsplit(":", 1)[1]) - 1])
        counts[part].update(sentences=1, words=len(sentence.words))
    # Not by ==, whose message would show the text.
    wanted = {f"{path}:{number}": peoples_daily_text(line) for number, line in enumerate(lines, 1) if line}
    assert texts.keys() == wanted.keys()
    assert sum(texts[place] != text for place, text in wanted.items()) == 0
    paragraphs = Counter(peoples_daily_part(line) for line in lines if line)
    assert {
        part: (paragraphs[part], counts[part]["sentences"], counts[part]["words"]) for part in PEOPLES_DAILY
    } == PEOPLES_DAILY
    assert {tag for sentence in sentences for tag in sentence.tags} == set(LAC_TAGS)
    found = {piece.split("]")[0].rsplit("/", 1)[1] for line in lines for piece in line.split()[1:]}
    assert found == set(PKU_TO_LAC)


@pytest.mark.parametrize("part", UD)
def test_the_real_ud_keeps_its_text(shared, part):
    path = shared / f"corpora/lac/ud_gsdsimp_{part}.conll"
    sentences = read_ud(path)
    with open(path, encoding="utf-8") as lines:
        texts = ["".join(text.split()) for text in conll_texts(lines)]
    assert (len(sentences), sum(len(sentence.words) for sentence in sentences)) == UD[part]
    assert sum(sentence.text != text for sentence, text in zip(sentences, texts, strict=True)) == 0
    assert all(len(sentence.words) == len(sentence.tags) > 0 for sentence in sentences)


def test_every_entry_of_the_ud_table_occurs(shared):
    found = set()
    for part in UD:
        for line in (shared / f"corpora/lac/ud_gsdsimp_{part}.conll").read_text(encoding="utf-8").split("\n"):
            if line:
                found.add(tuple(line.split("\t")[3:5]))
    assert found == set(UD_TO_LAC)


def test_punctuation_gets_its_full_width_but_marks_within_words_stay():
    sentence = Tagged(["涨", "了", "3.5", "%", ",", "对", "吗", "?", "...", "."], "v u m q w a xc w w w".split(), "f:1")
    (found,) = widen_punctuation([sentence])
    assert found.words == ["涨", "了", "3.5", "%", "，", "对", "吗", "？", "...", "。"]
    assert (found.tags, found.place, len(found.text)) == (sentence.tags, "f:1", len(sentence.text))
