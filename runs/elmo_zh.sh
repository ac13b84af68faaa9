#!/usr/bin/env bash
# The way of elmo-zh and word2vec-zh: from the public corpora to weights and scores. The released ones left out parts of some
# sources (MIX, END_MIX) and read less than a pass at the constant rate: data/models/README.md says which and how much.
#
#     CORPORA=folder runs/elmo_zh.sh     the real thing: the folder has raw/, pool/ and lac/ (`elmo data show raw`, ...)
#     TOY=1 runs/elmo_zh.sh              all steps in a minute or two on the little text in data/
#
# What is made goes into WORK; stopped, it goes on when it is run again. Every value below can be set from outside.
set -euo pipefail
cd "$(dirname "$0")/.."
source runs/text.sh

if [ "${TOY:-0}" = 1 ]; then
    WORK=${WORK:-.runs/elmo_zh_toy} CORPORA=${CORPORA:-$WORK/corpora}
    VOCAB_SIZE=${VOCAB_SIZE:-2000} EMBED_SIZE=${EMBED_SIZE:-16} HIDDEN_SIZE=${HIDDEN_SIZE:-32} CANDIDATES=${CANDIDATES:-256}
    BATCH_SIZE=${BATCH_SIZE:-16} WARMUP_STEPS=${WARMUP_STEPS:-2} MAX_EPOCH=${MAX_EPOCH:-2} SAVE_INTERVAL=${SAVE_INTERVAL:-20}
    WORD2VEC_EPOCHS=${WORD2VEC_EPOCHS:-1}
    toy_corpora "$WORK/corpora"
fi

CORPORA=${CORPORA:-${ELMO_DATA_HOME:-}}
WORK=${WORK:-.runs/elmo_zh}
VOCAB_SIZE=${VOCAB_SIZE:-50000}
MIX=${MIX:-}                       # sources that are not read whole, such as "laws=3 tvsub=2": every third, every second shard
END_MIX=${END_MIX:-$MIX}           # the same for the end, in which the learning rate falls; laws=0 leaves a source out
EMBED_SIZE=${EMBED_SIZE:-128}      # word vectors and projections, in each direction
HIDDEN_SIZE=${HIDDEN_SIZE:-512}    # cells of an LSTMP layer; two layers
CANDIDATES=${CANDIDATES:-2048}     # of the sampled softmax
BATCH_SIZE=${BATCH_SIZE:-128}      # streams, of 20 words each in a step
LEARNING_RATE=${LEARNING_RATE:-0.002}
WARMUP_STEPS=${WARMUP_STEPS:-500}
DROPOUT=${DROPOUT:-0.05}
MAX_EPOCH=${MAX_EPOCH:-4}          # passes over the text at a constant rate
END_EPOCH=${END_EPOCH:-1}          # passes over the text of the end
FROM=${FROM:-}                     # folder of an ELMo that reads on instead of a new one; its vocabulary and sizes stay
RANDOM_SEED=${RANDOM_SEED:-0}
SAVE_INTERVAL=${SAVE_INTERVAL:-1000}
WORD2VEC_EPOCHS=${WORD2VEC_EPOCHS:-5}

if [ -z "$CORPORA" ]; then
    say "set CORPORA to the folder of the public corpora, or TOY=1 to try the steps on the text in data/"
    exit 2
fi

# 1. Text: divided, segmented, counted
[ -z "$FROM" ] || [ -f "$WORK/vocabulary.txt" ] || { mkdir -p "$WORK" && cp "$FROM/vocabulary.txt" "$WORK/vocabulary.txt"; }
prepare_text "$CORPORA" "$WORK" "$VOCAB_SIZE"
# shellcheck disable=SC2086  # MIX is several words
mix "$WORK/shards" "$WORK/mix" $MIX
# shellcheck disable=SC2086
mix "$WORK/shards" "$WORK/end_mix" $END_MIX

# pretrain TEXT FOLDER PASSES [FLAG ...]: the biLM, from where it stopped, if it did; what it prints is kept
pretrain() {
    local text=$1 folder=$2 passes=$3
    shift 3
    [ -d "$folder/epoch_$(printf '%03d' "$passes")" ] ||
        elmo pretrain --train_path "$text/*" --test_path "$WORK/dev_raw/*" --vocab_path "$WORK/vocabulary.txt" \
            --embed_size "$EMBED_SIZE" --hidden_size "$HIDDEN_SIZE" --tie_softmax True --dropout "$DROPOUT" \
            --n_negative_samples_batch "$CANDIDATES" --batch_size "$BATCH_SIZE" --num_steps 20 --optim adam \
            --learning_rate "$LEARNING_RATE" --warmup_steps "$WARMUP_STEPS" --max_epoch "$passes" \
            --random_seed "$RANDOM_SEED" --save_interval "$SAVE_INTERVAL" --dev_interval "$SAVE_INTERVAL" \
            --para_save_dir "$folder" --resume True "$@" 2> >(tee -a "$WORK/pretrain.log" >&2)
}

# 2. ELMo: the biLM. At a constant rate, which can be ended at any checkpoint; then a shorter end in which the rate falls
last="$WORK/checkpoints/epoch_$(printf '%03d' "$MAX_EPOCH")"
pretrain "$WORK/mix" "$WORK/checkpoints" "$MAX_EPOCH" --lr_schedule constant ${FROM:+--load_pretraining_params "$FROM"}
pretrain "$WORK/end_mix" "$WORK/end" "$END_EPOCH" --lr_schedule cosine --load_pretraining_params "$last"
[ -d "$WORK/elmo-zh" ] || elmo export "$WORK/end/epoch_$(printf '%03d' "$END_EPOCH")" "$WORK/elmo-zh" --dtype float16 \
    --note "Trained by runs/elmo_zh.sh on raw, pool and the training parts of lac" --licence Apache-2.0

# 3. word2vec, its rival: the same words and the same text
[ -d "$WORK/word2vec" ] || elmo word2vec "$WORK/mix/*" --vocab_path "$WORK/vocabulary.txt" --vector_size 128 \
    --max_epoch "$WORD2VEC_EPOCHS" --random_seed "$RANDOM_SEED" --output "$WORK/word2vec"
[ -d "$WORK/word2vec-zh" ] || elmo export "$WORK/word2vec" "$WORK/word2vec-zh" --dtype int8 \
    --note "Trained by runs/elmo_zh.sh on the text of elmo-zh" --licence Apache-2.0

# 4. Scores: held-out perplexity, senses, words. What needs a public set is left out where CORPORA lacks it
results="$WORK/results" model="$WORK/elmo-zh" vectors="$WORK/word2vec-zh"
mkdir -p "$results"
for held_out in dev_raw dev_pool; do
    [ -f "$results/perplexity_$held_out.json" ] ||
        elmo eval perplexity "$model" --test_path "$WORK/$held_out/*" -o "$results/perplexity_$held_out.json"
done
sets=()
reviews="$CORPORA/sentiment/shopping_reviews_7cats.csv" pairs="$CORPORA/senses/mcl_wic_dev.zh-zh.data"
[ -f "$reviews" ] && sets+=(--reviews "$reviews")
[ -f "$pairs" ] && sets+=(--mcl_wic "$pairs")
[ -f "$results/senses.json" ] || elmo eval senses "$model" --word2vec "$vectors" ${sets[@]+"${sets[@]}"} -o "$results/senses.json"
[ -f "$results/senses_vectors.json" ] ||
    elmo eval forms "$model" --word2vec "$vectors" ${sets[@]+"${sets[@]}"} -o "$results/senses_vectors.json"
similarity=("$CORPORA"/words/wordsim-*.txt)
all_sets=("${similarity[@]}")
for analogies in "$CORPORA/words/analogy.txt" "$CORPORA/words/ca8_morphological.txt"; do
    [ -f "$analogies" ] && all_sets+=("$analogies")
done
[ -f "$results/words.json" ] || elmo eval words "$vectors" "${all_sets[@]}" -o "$results/words.json"
[ -f "$results/words_averages.json" ] ||
    elmo eval words "$model" "${similarity[@]}" --text "$WORK/mix/*" -o "$results/words_averages.json"
say "done: $model, $vectors and $results"
