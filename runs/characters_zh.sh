#!/usr/bin/env bash
# The way of elmo-zh-characters, an ELMo whose tokens are characters: from the public corpora to weights and a score.
#
#     CORPORA=folder runs/characters_zh.sh    the real thing: the folder has raw/, pool/ and lac/, as for runs/elmo_zh.sh
#     TOY=1 runs/characters_zh.sh             all steps in a minute on the little text in data/
#
# What is made goes into WORK; stopped, it goes on when it is run again. Every value below can be set from outside.
set -euo pipefail
cd "$(dirname "$0")/.."
source runs/text.sh

if [ "${TOY:-0}" = 1 ]; then
    WORK=${WORK:-.runs/characters_zh_toy} CORPORA=${CORPORA:-$WORK/corpora}
    WORDS=${WORDS:-4000} LEFT_OUT=${LEFT_OUT-} VOCAB_SIZE=${VOCAB_SIZE:-2000}
    EMBED_SIZE=${EMBED_SIZE:-16} HIDDEN_SIZE=${HIDDEN_SIZE:-32} CANDIDATES=${CANDIDATES:-256}
    BATCH_SIZE=${BATCH_SIZE:-16} WARMUP_STEPS=${WARMUP_STEPS:-2} SAVE_INTERVAL=${SAVE_INTERVAL:-20}
    toy_corpora "$WORK/corpora"
fi

CORPORA=${CORPORA:-${ELMO_DATA_HOME:-}}
WORK=${WORK:-.runs/characters_zh}
WORDS=${WORDS:-28000000}           # of the sample of text: 46.7 million characters
LEFT_OUT=${LEFT_OUT-laws classical_modern classic_novels fudan xwlb lctt} # sources that it is not drawn from
VOCAB_SIZE=${VOCAB_SIZE:-6000}     # characters
EMBED_SIZE=${EMBED_SIZE:-128}
HIDDEN_SIZE=${HIDDEN_SIZE:-384}
CANDIDATES=${CANDIDATES:-1024}
BATCH_SIZE=${BATCH_SIZE:-128}      # streams, of 30 characters each in a step
LEARNING_RATE=${LEARNING_RATE:-0.002}
WARMUP_STEPS=${WARMUP_STEPS:-500}
MAX_EPOCH=${MAX_EPOCH:-1}
RANDOM_SEED=${RANDOM_SEED:-0}
SAVE_INTERVAL=${SAVE_INTERVAL:-1000}

if [ -z "$CORPORA" ]; then
    say "set CORPORA to the folder of the public corpora, or TOY=1 to try the steps on the text in data/"
    exit 2
fi

# 1. Text: divided and segmented as for elmo-zh; of a sample of it the words are taken apart again
prepare_text "$CORPORA" "$WORK" 50000
# shellcheck disable=SC2086  # LEFT_OUT is several words
[ -d "$WORK/sample" ] || sample "$WORK/shards" "$WORK/sample" "$WORDS" $LEFT_OUT
characters() { # characters FROM TO: a file appears when it is whole
    local shard
    mkdir -p "$2"
    for shard in "$1"/*; do
        [ -f "$2/$(basename "$shard")" ] || { "$PYTHON" -c 'import sys
for line in open(sys.argv[1], encoding="utf-8"):
    sys.stdout.buffer.write((" ".join("".join(line.split())) + "\n").encode())' "$shard" >"$2.part" &&
            mv "$2.part" "$2/$(basename "$shard")"; }
    done
}
characters "$WORK/sample" "$WORK/characters"
characters "$WORK/dev_raw" "$WORK/characters_dev"
[ -f "$WORK/characters.txt" ] || elmo vocab "$WORK/characters/*" --output "$WORK/characters.txt" --max_size "$VOCAB_SIZE"

# 2. The biLM
last="$WORK/characters_checkpoints/epoch_$(printf '%03d' "$MAX_EPOCH")"
[ -d "$last" ] || elmo pretrain --train_path "$WORK/characters/*" --test_path "$WORK/characters_dev/*" \
    --vocab_path "$WORK/characters.txt" --embed_size "$EMBED_SIZE" --hidden_size "$HIDDEN_SIZE" --tie_softmax True \
    --dropout 0.05 --n_negative_samples_batch "$CANDIDATES" --batch_size "$BATCH_SIZE" --num_steps 30 --optim adam \
    --learning_rate "$LEARNING_RATE" --lr_schedule cosine --warmup_steps "$WARMUP_STEPS" --max_epoch "$MAX_EPOCH" \
    --random_seed "$RANDOM_SEED" --save_interval "$SAVE_INTERVAL" --dev_interval "$SAVE_INTERVAL" \
    --para_save_dir "$WORK/characters_checkpoints" --resume True
[ -d "$WORK/elmo-zh-characters" ] || elmo export "$last" "$WORK/elmo-zh-characters" --dtype float16 \
    --note "Trained by runs/characters_zh.sh on a sample of raw, pool and the training parts of lac" --licence Apache-2.0

# 3. Its score: perplexity of characters of the text held out of raw/
mkdir -p "$WORK/results"
[ -f "$WORK/results/perplexity_characters.json" ] || elmo eval perplexity "$WORK/elmo-zh-characters" \
    --test_path "$WORK/characters_dev/*" --output "$WORK/results/perplexity_characters.json"
