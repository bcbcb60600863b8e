"""Costs as users see them: in a dry run, at the end of a run, and in `status`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import cli
from fake_openai import FakeOpenAI

import selfinstruct as si

PRICED = "[runtime]\nprice = { input = 1.0, output = 10.0 }\n"


@pytest.fixture
def priced(tmp_path: Path) -> Path:
    recipe = tmp_path / "priced.toml"
    recipe.write_text(PRICED)
    return recipe


@pytest.mark.slow
def test_a_dry_run_estimates_by_assumption_at_first_and_later_by_the_replies(
    teacher: FakeOpenAI, priced: Path, tmp_path: Path
) -> None:
    flags = ("--base-url", teacher.url, "--model", "m", "--recipe", priced)
    before = cli("generate", tmp_path / "run", "--num", 1000, *flags, "--dry-run").stdout
    assert "Price: $1 per million prompt tokens, $10 per million reply tokens (the recipe)" in before
    assert re.search(r"Estimate for 1,000 rows: about 98 requests, [\d.]+k tokens, \$1\.\d\d\n", before)
    assert "(assumed: 60 % of the candidates accepted" in before
    assert not teacher.requests()
    assert not (tmp_path / "run").exists()
    assert cli("generate", tmp_path / "run", "--num", 100, *flags).returncode == 0
    asked = len(teacher.requests())
    after = cli("generate", tmp_path / "run", "--num", 1000, "--dry-run").stdout
    shown = re.search(r"with (\d+) of 1,000 rows done:\n  remaining: about (\d+) requests, [\d.]+k tokens, \$([\d.]+\d)", after)
    assert shown and "Estimate from this run's own replies, with " in after
    missing = (1000 - int(shown[1])) / int(shown[1])  # as a share of the rows done
    assert int(shown[2]) == pytest.approx(missing * asked, abs=1)
    _, prompt, completion = teacher.spent()
    assert float(shown[3]) == pytest.approx(missing * (prompt + 10 * completion) / 1e6, rel=0.01)
    assert len(teacher.requests()) == asked


@pytest.mark.slow
def test_the_end_of_a_run_and_status_show_what_the_server_charged(teacher: FakeOpenAI, priced: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = cli("generate", run, "--base-url", teacher.url, "--model", "m", "--num", 100, "--recipe", priced)
    _, prompt, completion = teacher.spent()
    usd = (prompt + 10 * completion) / 1e6
    assert f"${usd:.4f} (replies: ${10 * usd:.4f} per 1,000 rows)" in done.stderr
    assert "price: $1 per million prompt tokens, $10 per million reply tokens (the recipe)\n" in done.stderr
    assert "limit: none (to set one, use --max-usd)\n" in done.stderr
    money = json.loads(cli("status", run, "--json").stdout)["money"]
    assert money["usd"] == pytest.approx(usd, abs=1e-6)
    assert money["usd_per_1000_rows"] == pytest.approx(10 * usd, abs=1e-5)
    assert money["price"] == {"input": 1.0, "output": 10.0, "source": "the recipe", "cached_input": None, "batch": 1.0}
    assert f"cost      ${usd:.4f}" in cli("status", run).stdout
    assert "| Price of these requests |" in (run / "README.md").read_text()


@pytest.mark.slow
def test_prices_from_the_price_list_have_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    price = si.Run(tmp_path / "run", model="gpt-4o-mini").definition.price
    assert price is not None
    assert re.fullmatch(r"genai-prices [\d.]+: openai/gpt-4o-mini", price.source)
    assert price.batch == pytest.approx(0.5)
    shown = cli("generate", tmp_path / "run", "--model", "gpt-4o-mini", "--dry-run", "--batch").stdout
    assert "0.5 times that in batches (genai-prices" in shown


@pytest.mark.slow
def test_max_usd_needs_a_price_and_a_limit_of_reply_tokens(teacher: FakeOpenAI, priced: Path, tmp_path: Path) -> None:
    flags = ("--base-url", teacher.url, "--model", "m", "--max-usd", 1)
    unknown = cli("generate", tmp_path / "unknown", *flags)
    assert (unknown.returncode, "set `price` in [runtime] of a recipe" in unknown.stderr) == (2, True)
    assert "starting" not in unknown.stderr
    unbounded = cli("generate", tmp_path / "unbounded", *flags, "--recipe", priced, "--reply-tokens", 0)
    assert (unbounded.returncode, "set --reply-tokens to a number above 0" in unbounded.stderr) == (2, True)
    assert not teacher.requests()


def test_the_old_name_of_a_replys_bound_is_explained(tmp_path: Path) -> None:
    recipe = tmp_path / "old.toml"
    recipe.write_text("[generate]\nmax_tokens = 100\n")
    done = cli("generate", tmp_path / "run", "--recipe", recipe)
    assert done.returncode == 2
    assert "Fix: set reply_tokens for one reply" in done.stderr
