#!/bin/sh
# Make 20 rows with two teachers. Both are behind OPENAI_BASE_URL, or at OpenAI if it is not set. The recipe names the models.
set -eu
selfinstruct generate runs/home --recipe recipe.toml
selfinstruct status runs/home
