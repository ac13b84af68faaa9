#!/usr/bin/env bash
# Pretrain a biLM with LARK's flags (`./run.sh --help` lists them); what you give wins over what stands here.
# Without --train_path it learns from the small text in data/, at sizes for that text; with it, LARK's sizes are the
# defaults (--embed_size 512 --hidden_size 4096 --batch_size 128).
set -euo pipefail
cd "$(dirname "$0")"
python=.venv/bin/python
if [ ! -x "$python" ]; then
    python=python3
    "$python" -c 'import elmo, paddle' 2>/dev/null || {
        echo "run.sh: the package is not set up here: run 'make setup' first" >&2
        exit 2
    }
fi

defaults=(--vocab_path data/vocabulary_min5k.txt --learning_rate 0.2 --local True)
if [[ " $* " != *" --train_path"* ]]; then
    defaults+=(--train_path 'data/train/sentence_file_*' --test_path 'data/dev/sentence_file_*')
    defaults+=(--embed_size 64 --hidden_size 256 --batch_size 16)
fi
exec "$python" -m elmo pretrain "${defaults[@]}" "$@"
