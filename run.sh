#!/usr/bin/env bash
# Pretrain a biLM, by default on the text in data/. Takes the flags of LARK's run.sh unchanged; what you give comes
# after the defaults below and wins. `./run.sh --help` lists all flags.
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

exec "$python" -m elmo pretrain \
    --train_path 'data/train/sentence_file_*' \
    --test_path 'data/dev/sentence_file_*' \
    --vocab_path data/vocabulary_min5k.txt \
    --learning_rate 0.2 \
    --local True \
    "$@"
