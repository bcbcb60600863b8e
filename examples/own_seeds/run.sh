#!/bin/sh
# Make 20 rows from seeds.jsonl with the model behind your own endpoint. Run it again to resume.
set -eu
selfinstruct seeds seeds.jsonl
selfinstruct generate runs/kenya --recipe recipe.toml \
    --base-url "${OPENAI_BASE_URL:-http://localhost:8000/v1}" --model "${MODEL:-qwen2.5-7b}"
selfinstruct show runs/kenya -n 3
