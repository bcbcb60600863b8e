#!/bin/sh
# Make 8 questions and tasks on the Markdown files in handbook/. The endpoint is OPENAI_BASE_URL, or OpenAI if it is not set.
set -eu
selfinstruct generate runs/handbook --recipe recipe.toml --model "${MODEL:-gpt-4o-mini}"
selfinstruct show runs/handbook -n 3
head -n 1 runs/handbook/provenance.jsonl # the passage of the first row, and the quote that supports its answer
