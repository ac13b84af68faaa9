# From the public corpora to shards and a vocabulary: what every script in runs/ begins with (`source runs/text.sh`).
# Each step is left out when what it makes is there, so that a script that was stopped goes on when it is run again.

# The package of this checkout, by the interpreter of `make setup` or the one that PYTHON names.
if [ -z "${PYTHON:-}" ]; then
    PYTHON=.venv/bin/python
    [ -x "$PYTHON" ] || PYTHON=python3
fi
elmo() { "$PYTHON" -m elmo "$@"; }

say() { echo "$(basename "$0"): $*" >&2; }

# toy_corpora FOLDER: a few of our own documents in the places of raw/, pool/ and words/
toy_corpora() {
    [ -d "$1" ] && return
    mkdir -p "$1.part/raw" "$1.part/pool" "$1.part/words"
    local genre document kind
    for genre in dialogue letters_diary stories technology; do
        kind=pool
        case $genre in dialogue | letters_diary) kind=raw ;; esac
        for document in "data/documents/train/$genre"/*.txt; do
            cat "$document" && echo # an empty line between documents
        done >"$1.part/$kind/$genre.txt"
    done
    printf '%s\n' '手机	电脑	7' '朋友	同学	6' '朋友	电脑	1' '手机	医生	1' >"$1.part/words/wordsim-240.txt"
    mv "$1.part" "$1"
}

# check_corpora CORPORA: the folder has what every script needs
check_corpora() {
    [ -d "$1/raw" ] || { say "$1 has no raw/: set CORPORA to the folder of the public corpora" && exit 2; }
}

# prepare_text CORPORA WORK VOCAB_SIZE: WORK gets split/, shards/SOURCE/, dev/SOURCE/, dev_raw/, dev_pool/, vocabulary.txt
prepare_text() {
    local corpora=$1 work=$2 size=$3 text source lac=()
    check_corpora "$corpora"
    [ -d "$corpora/lac" ] && lac=(--lac "$corpora/lac")
    mkdir -p "$work"
    [ -d "$work/split" ] ||
        elmo data split "$corpora/raw" ${lac[@]+"${lac[@]}"} --pool "$corpora/pool" --output "$work/split"
    for text in "$work"/split/train/*.txt; do
        source=$(basename "$text" .txt)
        [ -d "$work/shards/$source" ] ||
            elmo preprocess "$text" --output "$work/shards/$source" --sentences_per_shard 10000
    done
    for text in "$work"/split/dev/*.txt "$work"/split/pool_dev/*.txt; do
        source=$(basename "$text" .txt)
        [ -d "$work/dev/$source" ] || [ ! -s "$text" ] || elmo preprocess "$text" --output "$work/dev/$source"
    done
    [ -d "$work/dev_raw" ] || elmo preprocess "$work/split/dev" --output "$work/dev_raw"
    [ -d "$work/dev_pool" ] || elmo preprocess "$work/split/pool_dev" --output "$work/dev_pool"
    [ -f "$work/vocabulary.txt" ] ||
        elmo vocab "$work/shards/*/sentence_file_*" --output "$work/vocabulary.txt" --max_size "$size"
}

# link SHARD FOLDER: a link to the shard, under a name with its source's; shards are links because they may be large
link() {
    local folder
    folder=$(cd "$(dirname "$1")" && pwd)
    ln -s "$folder/$(basename "$1")" "$2/$(basename "$folder")_$(basename "$1")"
}

# mix SHARDS TARGET [SOURCE=N ...]: TARGET gets links to the shards of all sources, of SOURCE to every Nth; 0 is none
mix() {
    local shards=$1 target=$2 source nth shard number
    shift 2
    for source in "$@"; do
        [ -d "$shards/${source%=*}" ] || { say "$source: there is no source ${source%=*} in $shards" && exit 2; }
    done
    rm -rf "$target.part" && mkdir -p "$target.part"
    for source in "$shards"/*/; do
        source=$(basename "$source") nth=1 number=0
        for rule in "$@"; do [ "${rule%=*}" != "$source" ] || nth=${rule#*=}; done
        for shard in "$shards/$source"/sentence_file_*; do
            [ "$nth" -eq 0 ] || [ $((number % nth)) -ne 0 ] ||
                link "$shard" "$target.part"
            number=$((number + 1))
        done
    done
    rm -rf "$target" && mv "$target.part" "$target"
}

# sample SHARDS TARGET WORDS [SOURCE ...]: TARGET gets links to shards drawn from all sources but those named, until they
# hold so many words. The order of the draw depends on the names alone: two samples differ in what they leave out.
sample() {
    local shards=$1 target=$2 words=$3 left_out shard taken=0
    shift 3
    left_out=" $* "
    rm -rf "$target.part" && mkdir -p "$target.part"
    while read -r _ shard && [ "$taken" -lt "$words" ]; do
        case $left_out in *" $(basename "$(dirname "$shard")") "*) continue ;; esac
        link "$shard" "$target.part"
        taken=$((taken + $(wc -w <"$shard")))
    done < <(for shard in "$shards"/*/sentence_file_*; do
        echo "$(echo "${shard#"$shards"/}" | cksum | cut -d ' ' -f 1) $shard"
    done | sort -n)
    [ "$taken" -ge "$words" ] || { say "$shards has $taken words without$left_out: WORDS is $words" && exit 2; }
    rm -rf "$target" && mv "$target.part" "$target"
}
