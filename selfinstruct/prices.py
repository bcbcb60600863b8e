"""What tokens cost: from the recipe, or from the price list of the `genai-prices` package, which is read offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from selfinstruct.records import Usage

NOTHING = Usage()
_MILLION = 1_000_000
_LONG_PROMPT = 32_000  # tokens; a price step that begins beyond this many is out of reach of this package's prompts


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens; `batch` is the factor on both for what comes by batch; `source` says who says so."""

    input: float
    output: float
    source: str
    cached_input: float | None = None
    batch: float = 1.0

    def usd(self, usage: Usage, batched: Usage = NOTHING) -> float:
        """US dollars for an amount of tokens, `batched` being the part of `usage` that came by batch."""
        return self._full(usage) - self._full(batched) * (1 - self.batch)

    def as_values(self) -> dict[str, Any]:
        """The price as plain values, as run.json records it."""
        return asdict(self)

    def _full(self, usage: Usage) -> float:
        cached_input = self.input if self.cached_input is None else self.cached_input
        plain = usage.prompt_tokens - usage.cached_tokens
        return (plain * self.input + usage.cached_tokens * cached_input + usage.completion_tokens * self.output) / _MILLION


def highest(prices: Iterable[Price | None]) -> Price | None:
    """The price by which a limit holds whichever of these applies: the highest of each rate; None if one is unknown."""
    known: list[Price] = []
    for price in prices:
        if price is None:
            return None
        if price not in known:
            known.append(price)
    if len(known) < 2:
        return known[0] if known else None
    cached = [price.input if price.cached_input is None else price.cached_input for price in known]
    return Price(
        max(price.input for price in known),
        max(price.output for price in known),
        "the highest of: " + "; ".join(price.source for price in known),
        max(cached),
        max(price.batch for price in known),
    )


def stated(values: Mapping[Any, float]) -> Price | None:
    """The price that a recipe states, or None; `values` has `input` and `output`, and perhaps the rest of a Price."""
    if not values:
        return None
    return Price(values["input"], values["output"], "the recipe", values.get("cached_input"), values.get("batch", 1.0))


def listed(model: str, base_url: str) -> Price | None:
    """The price in genai-prices of a model at an endpoint, or None if the list has no such endpoint or model."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider, entry = get_snapshot().find_provider_model(model, None, None, base_url)
    except LookupError:
        return None
    source = f"genai-prices {version('genai-prices')}: {provider.id}/{entry.id}"
    now = datetime.now(UTC)
    day = [_at(entry, now + timedelta(hours=hour), source) for hour in range(24)]  # some cost more at certain hours
    price = highest(day)
    return price and replace(price, source=source)


def _at(entry: Any, moment: datetime, source: str) -> Price | None:
    """A model's price at a moment; None where it is not by tokens alone."""
    rates, batch = entry.get_prices(moment), entry.get_prices(moment, {"processing": "batch"})
    input, output, cached = (_rate(getattr(rates, f"{name}_mtok")) for name in ("input", "output", "cache_read"))
    if input is None or output is None or getattr(rates, "requests_kcount", None):
        return None
    less = _rate(batch.output_mtok)
    return Price(input, output, source, cached, less / output if less is not None and output else 1.0)


def _rate(rate: Any) -> float | None:
    """One rate as a number; of a price in steps, the one that prompts of this package can reach."""
    if rate is None:
        return None
    steps = [step.price for step in getattr(rate, "tiers", ()) if step.start < _LONG_PROMPT]
    return float(max([getattr(rate, "base", rate), *steps]))
