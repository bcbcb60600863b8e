"""What tokens cost: from the recipe, or from the price list of the `genai-prices` package, which is read offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
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

    def of(self, teacher: str) -> Price:
        """The price of one teacher's tokens: this one."""
        return self

    def covers(self, other: Price) -> bool:
        """Whether this price is as high as the other whatever is bought."""
        cached = [one.input if one.cached_input is None else one.cached_input for one in (self, other)]
        rates = (self.input, self.output, cached[0], self.batch), (other.input, other.output, cached[1], other.batch)
        return all(own >= its for own, its in zip(*rates, strict=True))

    def as_values(self) -> dict[str, Any]:
        """The price as plain values, as run.json records it."""
        return asdict(self)

    def _full(self, usage: Usage) -> float:
        cached_input = self.input if self.cached_input is None else self.cached_input
        plain = usage.prompt_tokens - usage.cached_tokens
        return (plain * self.input + usage.cached_tokens * cached_input + usage.completion_tokens * self.output) / _MILLION


@dataclass(frozen=True, slots=True)
class Prices(Price):
    """The prices of several teachers, `each` by its name; as a single price, the highest of them: what all can cost at most."""

    each: Mapping[str, Price] = field(default_factory=dict)

    def of(self, teacher: str) -> Price:
        """The price of one teacher's tokens."""
        return self.each.get(teacher, self)


def several(by_name: Mapping[str, Price | None]) -> Price | None:
    """The prices of a run's teachers by their names; None if one is unknown."""
    top = highest(by_name.values())
    known = {name: price for name, price in by_name.items() if price is not None}
    if top is None or set(known) == {""}:
        return top
    shown = "; ".join(f"{name}: {price.source}" for name, price in known.items())
    return Prices(top.input, top.output, shown, top.cached_input, top.batch, known)


def recorded(values: Mapping[str, Any] | None) -> Price | None:
    """A price from the plain values that run.json has."""
    if not values:
        return None
    own = {name: value for name, value in values.items() if name != "each"}
    each = {name: Price(**one) for name, one in values.get("each", {}).items()}
    return Prices(**own, each=each) if each else Price(**own)


def highest_of_each(prices: Iterable[Price | None]) -> Price | None:
    """The same as `highest`, for each teacher by itself where there are several."""
    found = list(prices)
    names = sorted({name for price in found if isinstance(price, Prices) for name in price.each})
    return several({name: highest(price and price.of(name) for price in found) for name in names}) if names else highest(found)


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
