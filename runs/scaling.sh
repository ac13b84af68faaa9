#!/usr/bin/env bash
# How large a model for how many hours? The same text, several sizes and several budgets, each a run of its own with a
# schedule of its own; what each costs in seconds and reaches in held-out perplexity is the frontier of chapter 6.
#
#     CORPORA=folder runs/scaling.sh     TOY=1 runs/scaling.sh
#
# A budget is a share of the shards: every 32nd, every 16th and so on, the same for all sizes. Stopped, it goes on when it
# is run again. Run by itself it takes a day; OMP_NUM_THREADS=1 and two of them, on halves of SIZES, take half of one.
set -euo pipefail
cd "$(dirname "$0")/.."
source runs/text.sh

if [ "${TOY:-0}" = 1 ]; then
    WORK=${WORK:-.runs/scaling_toy} CORPORA=${CORPORA:-$WORK/corpora}
    VOCAB_SIZE=${VOCAB_SIZE:-2000} CANDIDATES=${CANDIDATES:-256} BATCH_SIZE=${BATCH_SIZE:-16} WARMUP_STEPS=${WARMUP_STEPS:-2}
    SIZES=${SIZES:-8:16:0.003 16:32:0.003} BUDGETS=${BUDGETS:-2 1}
    toy_corpora "$WORK/corpora"
fi

CORPORA=${CORPORA:-${ELMO_DATA_HOME:-}}
WORK=${WORK:-.runs/elmo_zh}   # the text of runs/elmo_zh.sh, if that was run before
VOCAB_SIZE=${VOCAB_SIZE:-50000}
SIZES=${SIZES:-64:256:0.003 128:512:0.002 192:768:0.0015 256:1024:0.001}   # word vector : cells : learning rate
BUDGETS=${BUDGETS:-32 16 8 4}                                              # every Nth shard
CANDIDATES=${CANDIDATES:-4096}
BATCH_SIZE=${BATCH_SIZE:-128}
WARMUP_STEPS=${WARMUP_STEPS:-200}

if [ -z "$CORPORA" ]; then
    say "set CORPORA to the folder of the public corpora, or TOY=1 to try the steps on the text in data/"
    exit 2
fi
prepare_text "$CORPORA" "$WORK" "$VOCAB_SIZE"
mkdir -p "$WORK/scaling"

# every NTH: a folder of links to every Nth shard
every() {
    local target="$WORK/scaling/every_$1" shard number=0
    [ -d "$target" ] && return
    rm -rf "$target.part" && mkdir "$target.part"
    for shard in "$WORK"/shards/*/sentence_file_*; do
        [ $((number % $1)) -ne 0 ] || link "$shard" "$target.part"
        number=$((number + 1))
    done
    mv "$target.part" "$target"
}

for budget in $BUDGETS; do
    every "$budget"
    for size in $SIZES; do
        IFS=: read -r embed hidden rate <<<"$size"
        checkpoints="$WORK/scaling/${embed}_${hidden}_every_$budget"
        [ -d "$checkpoints/epoch_001" ] && continue
        say "$embed/$hidden on every ${budget}th shard"
        elmo pretrain --train_path "$WORK/scaling/every_$budget/*" --test_path "$WORK/dev_raw/*" \
            --vocab_path "$WORK/vocabulary.txt" --embed_size "$embed" --hidden_size "$hidden" --tie_softmax True \
            --n_negative_samples_batch "$CANDIDATES" --batch_size "$BATCH_SIZE" --num_steps 20 --optim adam \
            --learning_rate "$rate" --lr_schedule cosine --warmup_steps "$WARMUP_STEPS" --dropout 0.05 --max_epoch 1 \
            --save_interval 1000 --dev_interval 0 --keep_checkpoints 1 --para_save_dir "$checkpoints" --resume True
    done
done
