#!/usr/bin/env bash
# The way of bert-zh and ernie-zh, and of an ELMo that has read the same text: from the public corpora to weights and scores.
#
#     CORPORA=folder LAC=folder runs/masked_zh.sh     the real thing: LAC is Baidu's model, which cuts and tags the text
#     TOY=1 runs/masked_zh.sh                         all steps in a minute or two on the little text in data/
#
# Two seeds of BERT and of ERNIE, so that the interval of a difference between them can hold the spread of pretraining too; then
# one pair reads on, and is what is released. What is made goes into WORK; stopped, it goes on when it is run again. Every value
# below can be set from outside.
set -euo pipefail
cd "$(dirname "$0")/.."
source runs/text.sh

if [ "${TOY:-0}" = 1 ]; then
    WORK=${WORK:-.runs/masked_zh_toy} CORPORA=${CORPORA:-$WORK/corpora}
    VOCAB_SIZE=${VOCAB_SIZE:-2000} WORDS=${WORDS:-2000} MORE_WORDS=${MORE_WORDS:-1000} LEFT_OUT=${LEFT_OUT-} START=${START-}
    HIDDEN_SIZE=${HIDDEN_SIZE:-16} NUM_LAYERS=${NUM_LAYERS:-1} NUM_HEADS=${NUM_HEADS:-2}
    WARMUP_STEPS=${WARMUP_STEPS:-2} MAX_EPOCH=${MAX_EPOCH:-1} MAX_LENGTH=${MAX_LENGTH:-32}
    ELMO_EMBED_SIZE=${ELMO_EMBED_SIZE:-8} ELMO_HIDDEN_SIZE=${ELMO_HIDDEN_SIZE:-16} CANDIDATES=${CANDIDATES:-256}
    toy_corpora "$WORK/corpora"
    LAC=${LAC:-$WORK/tagger}
    [ -d "$LAC" ] || elmo lac train --train data/lac/dev.tsv --dev data/lac/test.tsv --save_dir "$LAC" --max_epoch 1 \
        --embedding_size 8 --hidden_size 8 --num_layers 1
fi

CORPORA=${CORPORA:-${ELMO_DATA_HOME:-}}
WORK=${WORK:-.runs/masked_zh}
LAC=${LAC:-}
VOCAB_SIZE=${VOCAB_SIZE:-50000}       # of the ELMo, in words
WORDS=${WORDS:-18500000}              # of the sample of text: 30 million characters
LEFT_OUT=${LEFT_OUT-laws classical_modern classic_novels fudan xwlb lctt} # sources that it is not drawn from
MORE_WORDS=${MORE_WORDS:-7600000}     # of the text that is read on: 12.4 million characters
SEEDS=${SEEDS:-1 2}
SEED_ON=${SEED_ON:-3}                 # of the reading on, from the BERT of the first of SEEDS
START=${START-data/models/bert-zh-small} # which has left the plateau; empty: from nothing, which takes much longer
HIDDEN_SIZE=${HIDDEN_SIZE:-288}
NUM_LAYERS=${NUM_LAYERS:-4}
NUM_HEADS=${NUM_HEADS:-4}
MAX_LENGTH=${MAX_LENGTH:-128}
BATCH_SIZE=${BATCH_SIZE:-16}          # sequences
LEARNING_RATE=${LEARNING_RATE:-0.0005}
WARMUP_STEPS=${WARMUP_STEPS:-400}
MAX_EPOCH=${MAX_EPOCH:-1}
SAVE_INTERVAL=${SAVE_INTERVAL:-1000}
ELMO_EMBED_SIZE=${ELMO_EMBED_SIZE:-128}
ELMO_HIDDEN_SIZE=${ELMO_HIDDEN_SIZE:-512}
CANDIDATES=${CANDIDATES:-2048}

if [ -z "$CORPORA" ]; then
    say "set CORPORA to the folder of the public corpora, or TOY=1 to try the steps on the text in data/"
    exit 2
fi
check_corpora "$CORPORA"
[ -n "$LAC" ] || { say "set LAC to the folder of Baidu's model, which cuts and tags the text" && exit 2; }

# 1. Text: divided and segmented as for elmo-zh; a sample of it, cut and tagged by LAC, whose words BERT does not look at
prepare_text "$CORPORA" "$WORK" "$VOCAB_SIZE"
# shellcheck disable=SC2086  # LEFT_OUT is several words
[ -d "$WORK/sample" ] || sample "$WORK/shards" "$WORK/sample" "$WORDS" $LEFT_OUT
if [ ! -d "$WORK/sample_on" ]; then # the sample would go on with these shards
    # shellcheck disable=SC2086
    sample "$WORK/shards" "$WORK/sample_both" $((WORDS + MORE_WORDS)) $LEFT_OUT
    for shard in "$WORK/sample"/*; do rm -f "$WORK/sample_both/$(basename "$shard")"; done
    mv "$WORK/sample_both" "$WORK/sample_on"
fi
mkdir -p "$WORK/tagged" "$WORK/tagged_on" "$WORK/tagged_dev"
tag() { # tag FROM TO: words are joined again, so that LAC cuts by itself; a file appears when it is whole
    local shard
    for shard in "$1"/*; do
        [ -f "$2/$(basename "$shard")" ] ||
            tr -d ' ' <"$shard" | elmo lac tag - --model "$LAC" --output "$2/$(basename "$shard")"
    done
}
tag "$WORK/sample" "$WORK/tagged"
tag "$WORK/sample_on" "$WORK/tagged_on"
tag "$WORK/dev_raw" "$WORK/tagged_dev"
if [ -n "$START" ]; then
    cp "$START/vocabulary.txt" "$WORK/pieces.txt"
elif [ ! -f "$WORK/pieces.txt" ]; then
    elmo vocab "$WORK/tagged/*" --pieces True --tagged True --output "$WORK/pieces.txt" --max_size 8000
fi

# pretrain NAME TEXT MASKING SEED [START]: a masked language model, exported to WORK/NAME
last="epoch_$(printf '%03d' "$MAX_EPOCH")"
pretrain() {
    local checkpoints="$WORK/checkpoints/$1" start=${5-}
    [ -d "$checkpoints/$last" ] || elmo pretrain_masked --train_path "$WORK/$2/*" --test_path "$WORK/tagged_dev/*" \
        --vocab_path "$WORK/pieces.txt" --tagged True --masking "$3" --hidden_size "$HIDDEN_SIZE" --num_layers "$NUM_LAYERS" \
        --num_heads "$NUM_HEADS" --intermediate_size $((4 * HIDDEN_SIZE)) --max_length "$MAX_LENGTH" --dropout 0 \
        --batch_size "$BATCH_SIZE" --learning_rate "$LEARNING_RATE" --lr_schedule cosine --warmup_steps "$WARMUP_STEPS" \
        --max_epoch "$MAX_EPOCH" --random_seed "$4" --save_interval "$SAVE_INTERVAL" --dev_interval "$SAVE_INTERVAL" \
        --para_save_dir "$checkpoints" --resume True ${start:+--load_pretraining_params "$start"}
    [ -d "$WORK/$1" ] || elmo export "$checkpoints/$last" "$WORK/$1" --dtype float16 --licence Apache-2.0 \
        --note "Trained by runs/masked_zh.sh on a sample of raw, pool and the training parts of lac"
}

# 2. BERT and ERNIE: the same sizes, text and seeds; they differ in what is hidden alone
models=()
for seed in $SEEDS; do
    for masking in bert ernie; do
        pretrain "$masking-zh-$seed" tagged "$masking" "$seed" "$START"
        models+=("$masking-zh-$seed")
    done
done

# 3. Both read on, from one BERT, what it has not read; the rate rises and falls once more. All that was read before is ERNIE's
# stage of characters; it hides words for a half of what comes, and entities for the other
first="$WORK/bert-zh-${SEEDS%% *}"
warmup=$(((WARMUP_STEPS + 1) / 2))
WARMUP_STEPS=$warmup pretrain bert-zh tagged_on bert "$SEED_ON" "$first"
WARMUP_STEPS=$warmup pretrain ernie-zh tagged_on words,entities "$SEED_ON" "$first"
models+=(bert-zh ernie-zh)

# 4. An ELMo of the text of step 2, read once from nothing. (BERT and ERNIE read a fifth more, as cut sentences come again, and
# with START they go on from a trained model.)
elmo_checkpoints="$WORK/checkpoints/elmo"
[ -d "$elmo_checkpoints/$last" ] || elmo pretrain --train_path "$WORK/sample/*" --test_path "$WORK/dev_raw/*" \
    --vocab_path "$WORK/vocabulary.txt" --embed_size "$ELMO_EMBED_SIZE" --hidden_size "$ELMO_HIDDEN_SIZE" --tie_softmax True \
    --n_negative_samples_batch "$CANDIDATES" --num_steps 20 --optim adam --learning_rate 0.002 --lr_schedule cosine \
    --warmup_steps "$WARMUP_STEPS" --dropout 0.05 --max_epoch "$MAX_EPOCH" --save_interval "$SAVE_INTERVAL" \
    --dev_interval "$SAVE_INTERVAL" --para_save_dir "$elmo_checkpoints" --resume True
[ -d "$WORK/elmo-same-text" ] || elmo export "$elmo_checkpoints/$last" "$WORK/elmo-same-text" --dtype float16 \
    --note "Trained by runs/masked_zh.sh on the text of bert-zh and ernie-zh" --licence Apache-2.0

# 5. Scores: perplexity of hidden characters and words, questions of knowledge
results="$WORK/results"
mkdir -p "$results"
for model in "${models[@]}"; do
    [ -f "$results/$model.json" ] || elmo eval masked "$WORK/$model" --test_path "$WORK/tagged_dev/*" --tagged True \
        --output "$results/$model.json"
done
[ -f "$results/cloze.json" ] || elmo eval cloze "${models[@]/#/$WORK/}" "$WORK/elmo-same-text" --output "$results/cloze.json"
say "done: ${models[*]/#/$WORK/} and $results"
