#!/usr/bin/env bash
# Pretrain a biLM with LARK's flags (`./run.sh --help` lists them); what you give wins over what stands here.
# Without --train_path it learns from the small text in data/, at sizes for that text; with it, LARK's sizes are the
# defaults (--embed_size 512 --hidden_size 4096 --batch_size 128).
# With several cards in CUDA_VISIBLE_DEVICES, such as 0,1, and without --local, Paddle's launcher starts a process for
# each. This was tested with two processes on a CPU, not on GPUs.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" >/dev/null && pwd)
export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH} # this package, wherever we are: paths that are given stay as they are
python=$here/.venv/bin/python
if [ ! -x "$python" ]; then
    python=python3
    "$python" -c 'import elmo, paddle' 2>/dev/null || {
        echo "run.sh: the package is not set up in $here: run 'make setup' there first" >&2
        exit 2
    }
fi

defaults=(--vocab_path "$here/data/vocabulary_min5k.txt" --learning_rate 0.2)
if [[ " $* " != *" --train_path"* ]]; then
    defaults+=(--train_path "$here/data/train/sentence_file_*" --test_path "$here/data/dev/sentence_file_*")
    defaults+=(--embed_size 64 --hidden_size 256 --batch_size 16)
fi

program=(-m elmo)
IFS=, read -ra named <<<"${CUDA_VISIBLE_DEVICES:-}"
cards=()
for card in ${named[@]+"${named[@]}"}; do
    card=${card//[[:space:]]/}
    [[ $card == -* ]] && break # as CUDA itself, which sees the cards before a -1
    if [[ ! $card =~ ^([0-9]{1,4}|(GPU|MIG)-[A-Za-z0-9/-]+)$ || " ${cards[*]-} " == *" $card "* ]]; then
        echo "run.sh: CUDA_VISIBLE_DEVICES is $(printf %q "$CUDA_VISIBLE_DEVICES"): give each card once, by its number, as in 0,1" >&2
        exit 2
    fi
    cards+=("$card")
done
if [[ ${#cards[@]} -gt 1 && " $* " != *" --local"* && " $* " != *" --help "* && " $* " != *" -h "* ]]; then
    logs=$(mktemp -d "${TMPDIR:-/tmp}/elmo-ranks.XXXXXX") # not among the checkpoints: the launcher writes its environment
    echo "run.sh: ${#cards[@]} processes, their logs in $logs" >&2
    program=(-m paddle.distributed.launch --nproc_per_node "${#cards[@]}" --log_dir "$logs" "$here/elmo/__main__.py")
    defaults+=(--local False)
fi
exec "$python" "${program[@]}" pretrain "${defaults[@]}" "$@"
