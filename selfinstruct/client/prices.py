"""Prices of tokens: from the recipe, or from the list in the `genai-prices` package, which is read offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from selfinstruct.records import Usage

NOTHING = Usage()
_MILLION = 1_000_000
_LONG_PROMPT = 32_000  # tokens. Prompts of this package never reach a price step that begins beyond this many


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens of prompts (`input`) and of replies (`output`).

    `source` names the origin of the price. `cached_input` is the price of cached prompt tokens, None if it equals `input`.
    `batch` is the factor on all of them for replies by batch.
    """

    input: float
    output: float
    source: str
    cached_input: float | None = None
    batch: float = 1.0

    def usd(self, usage: Usage, batched: Usage = NOTHING) -> float:
        """Return the US dollars for some tokens. `batched` is the part of `usage` that came by batch."""
        return self._full(usage) - self._full(batched) * (1 - self.batch)

    def of(self, teacher: str) -> Price:
        """Return the price for a teacher, which is this one for every teacher."""
        return self

    def covers(self, other: Price) -> bool:
        """Return True if this price is as high as another one for any mix of tokens."""
        return all(own >= its for own, its in zip(self._rates, other._rates, strict=True))

    @property
    def free(self) -> bool:
        """True if tokens cost nothing."""
        return not (self.input or self.output)

    def as_values(self) -> dict[str, Any]:
        """Return the price as plain values, as run.json records it."""
        return asdict(self)

    @property
    def _rates(self) -> tuple[float, float, float, float]:
        return self.input, self.output, self.input if self.cached_input is None else self.cached_input, self.batch

    def _full(self, usage: Usage) -> float:
        cached_input = self._rates[2]
        plain = usage.prompt_tokens - usage.cached_tokens
        return (plain * self.input + usage.cached_tokens * cached_input + usage.completion_tokens * self.output) / _MILLION


@dataclass(frozen=True, slots=True)
class Prices(Price):
    """The prices of several teachers, `each` by its name. Used as one price, it is the highest of them."""

    each: Mapping[str, Price] = field(default_factory=dict)

    def of(self, teacher: str) -> Price:
        """Return the price for a teacher, or the highest price for an unknown one."""
        return self.each.get(teacher, self)


def several(by_name: Mapping[str, Price | None]) -> Price | None:
    """Return the prices of a run's teachers by their names, or None if one is unknown."""
    top = highest(by_name.values())
    known = {name: price for name, price in by_name.items() if price is not None}
    if top is None or set(known) == {""}:
        return top
    shown = "; ".join(f"{name}: {price.source}" for name, price in known.items())
    return Prices(top.input, top.output, shown, top.cached_input, top.batch, known)


def recorded(values: Mapping[str, Any] | None) -> Price | None:
    """Return a price from the plain values in run.json, or None if there are none."""
    if not values:
        return None
    own = {name: value for name, value in values.items() if name != "each"}
    each = {name: Price(**price) for name, price in values.get("each", {}).items()}
    return Prices(**own, each=each) if each else Price(**own)


def highest_of_each(prices: Iterable[Price | None]) -> Price | None:
    """Return the highest of some prices, for each teacher by itself where there are several. None if one is unknown."""
    known = list(prices)
    names = sorted({name for price in known if isinstance(price, Prices) for name in price.each})
    return several({name: highest(price and price.of(name) for price in known) for name in names}) if names else highest(known)


def highest(prices: Iterable[Price | None]) -> Price | None:
    """Return a price with the highest of each rate, by which a limit holds whichever price applies. None if one is unknown."""
    known: list[Price] = []
    for price in prices:
        if price is None:
            return None
        if price not in known:
            known.append(price)
    if len(known) < 2:
        return known[0] if known else None
    for price in known:
        if all(price.covers(other) for other in known):
            return price
    cached = [price.input if price.cached_input is None else price.cached_input for price in known]
    return Price(
        max(price.input for price in known),
        max(price.output for price in known),
        "the highest of: " + "; ".join(price.source for price in known),
        max(cached),
        max(price.batch for price in known),
    )


def stated(values: Mapping[Any, float]) -> Price | None:
    """Return the price that a recipe states, or None. `values` has `input`, `output` and optionally the rest of a Price."""
    if not values:
        return None
    return Price(values["input"], values["output"], "the recipe", values.get("cached_input"), values.get("batch", 1.0))


def listed(model: str, base_url: str) -> Price | None:
    """Return the price of a model at an endpoint from genai-prices, or None if the list lacks either of them."""
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
    """Return a model's price at a moment, or None if it does not depend on tokens alone."""
    rates, batch = entry.get_prices(moment), entry.get_prices(moment, {"processing": "batch"})
    input, output, cached = (_rate(getattr(rates, f"{name}_mtok")) for name in ("input", "output", "cache_read"))
    if input is None or output is None or getattr(rates, "requests_kcount", None):
        return None
    less = _rate(batch.output_mtok)
    return Price(input, output, source, cached, less / output if less is not None and output else 1.0)


def _rate(rate: Any) -> float | None:
    """Return a rate as a number. For a price in steps, it is the highest step that prompts of this package can reach."""
    if rate is None:
        return None
    steps = [step.price for step in getattr(rate, "tiers", ()) if step.start < _LONG_PROMPT]
    return float(max([getattr(rate, "base", rate), *steps]))
