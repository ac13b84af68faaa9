#!/usr/bin/env bash
# What does each doubtful source do for the others? A small model is trained without it, another with it, on as many words,
# and both are measured on what is held out of all other sources. A source that helps is worth its words to the others;
# one without which the others gain should be read in part (MIX of runs/elmo_zh.sh). The model on everything is trained
# with two seeds: a difference that is no larger than theirs says nothing.
#
#     CORPORA=folder runs/weigh_sources.sh     TOY=1 runs/weigh_sources.sh
#
# Stopped, it goes on when it is run again.
set -euo pipefail
cd "$(dirname "$0")/.."
source runs/text.sh

if [ "${TOY:-0}" = 1 ]; then
    WORK=${WORK:-.runs/weigh_sources_toy} CORPORA=${CORPORA:-$WORK/corpora}
    DOUBTFUL=${DOUBTFUL:-stories} WORDS=${WORDS:-8000} VOCAB_SIZE=${VOCAB_SIZE:-2000}
    EMBED_SIZE=${EMBED_SIZE:-16} HIDDEN_SIZE=${HIDDEN_SIZE:-32} CANDIDATES=${CANDIDATES:-256} BATCH_SIZE=${BATCH_SIZE:-16}
    toy_corpora "$WORK/corpora"
fi

CORPORA=${CORPORA:-${ELMO_DATA_HOME:-}}
WORK=${WORK:-.runs/elmo_zh}   # the text of runs/elmo_zh.sh, if that was run before
DOUBTFUL=${DOUBTFUL:-laws tvsub classical_modern classic_novels fudan xwlb}
WORDS=${WORDS:-5000000}       # that each model reads, once
VOCAB_SIZE=${VOCAB_SIZE:-50000}
EMBED_SIZE=${EMBED_SIZE:-64}
HIDDEN_SIZE=${HIDDEN_SIZE:-256}
CANDIDATES=${CANDIDATES:-2048}
BATCH_SIZE=${BATCH_SIZE:-64}

if [ -z "$CORPORA" ]; then
    say "set CORPORA to the folder of the public corpora, or TOY=1 to try the steps on the text in data/"
    exit 2
fi
prepare_text "$CORPORA" "$WORK" "$VOCAB_SIZE"
weighing="$WORK/weighing"
mkdir -p "$weighing/text" "$weighing/dev" "$weighing/checkpoints" "$weighing/results"

# train NAME SEED [SOURCE ...]: a model on WORDS words, of which none are of these sources
train() {
    local name=$1 seed=$2
    shift 2
    [ -d "$weighing/checkpoints/$name/epoch_001" ] && return
    sample "$WORK/shards" "$weighing/text/$name" "$WORDS" "$@"
    elmo pretrain --train_path "$weighing/text/$name/*" --vocab_path "$WORK/vocabulary.txt" --embed_size "$EMBED_SIZE" \
        --hidden_size "$HIDDEN_SIZE" --tie_softmax True --n_negative_samples_batch "$CANDIDATES" --batch_size "$BATCH_SIZE" \
        --num_steps 20 --optim adam --learning_rate 0.002 --lr_schedule cosine --dropout 0 --max_epoch 1 \
        --random_seed "$seed" --save_interval 1000 --para_save_dir "$weighing/checkpoints/$name" --resume True
}

# measure NAME LEFT_OUT: perplexity of the model NAME on what is held out of all sources but one, or of "nothing" but none
measure() {
    local result="$weighing/results/$1.without_$2.json"
    [ -f "$result" ] ||
        elmo eval perplexity "$weighing/checkpoints/$1/epoch_001" --test_path "$weighing/dev/$2/*" -o "$result"
    printf '%.1f' "$(sed -n 's/^ "perplexity": \([0-9.]*\).*/\1/p' "$result")"
}

train everything 0
train everything_again 1
for source in $DOUBTFUL; do train "without_$source" 0 "$source"; done

mix "$WORK/dev" "$weighing/dev/nothing"
echo "| left out | held-out perplexity of the other sources without it | with it | with it, another seed |"
echo "| --- | ---: | ---: | ---: |"
echo "| nothing | | $(measure everything nothing) | $(measure everything_again nothing) |"
for source in $DOUBTFUL; do
    mix "$WORK/dev" "$weighing/dev/$source" "$source=0"
    echo "| $source | $(measure "without_$source" "$source") | $(measure everything "$source") |" \
        "$(measure everything_again "$source") |"
done
