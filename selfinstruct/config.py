"""The recipe of a run.

    [generate]  what is asked: fixed when the run begins, for the journal's replies answer exactly this
    [curate]    what is kept: may be changed at any time, for nothing is asked again
    [runtime]   how fast, and for how much: never changes which rows come out
    [card]      what the dataset card says that no run can know

Every setting has one name in the recipe (TOML), on the command line (`--name`) and as a keyword of `Run`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from selfinstruct.errors import RecipeError

FilterSetting = bool | dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Generate(_Part):
    """What is asked. An empty `method` or `prompt` means the one that fits the teacher or the method.

    `base_url` may be several addresses that serve the same model; addresses may change while a run goes on, all else here
    is fixed with its first reply. `reply_tokens` bounds one reply (0: the provider's own bound). `send_seed` gives the
    sampler a seed of its own in each request, for servers that know one. After `give_up_after` root requests without a new
    row the run ends. `options` go to the method, `extra` into the body of each request.
    """

    teacher: str = "openai"
    base_url: str | tuple[str, ...] = ""
    model: str = ""
    api: Literal["chat", "completions"] = "chat"
    method: str = ""
    prompt: str = ""
    seeds: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    reply_tokens: Annotated[int, Field(ge=0)] = 4096
    send_seed: bool = False
    give_up_after: Annotated[int, Field(ge=1)] = 100
    options: dict[str, float | int | str] = {}
    extra: dict[str, Any] = {}

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for address in [value] if isinstance(value, str) else value:
            try:
                parts = urlsplit(address)
                good = not address or (parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1))
                if parts.username or parts.password:
                    raise ValueError("holds a name or a password, which would be written to the disk; give a key instead")
            except ValueError as error:
                if "password" in str(error):
                    raise
                good = False
            if not good:
                raise ValueError("is not an http(s) address; write it like http://localhost:8000/v1")
        return value if isinstance(value, str) or len(value) != 1 else value[0]

    @field_validator("extra")
    @classmethod
    def _is_no_part_of_the_request(cls, value: dict[str, Any]) -> dict[str, Any]:
        if own := value.keys() & {"model", "messages", "prompt", "stream"}:
            raise ValueError(f"cannot set {sorted(own)[0]!r}, which this package sets itself")
        return value

    @property
    def addresses(self) -> tuple[str, ...]:
        """The endpoints' addresses; one empty text where none is named."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url or ("",)


class Curate(_Part):
    """What is kept: `num` rows; `rouge` is the highest ROUGE-L F-measure (0 to 1) to any earlier instruction.

    `tokens` says what ROUGE-L compares: "unicode" (as `rouge_score` for ASCII text, and other scripts too) or "ascii" (as
    `rouge_score` for any text; instructions in other scripts are then near to nothing). With `mean_similarity` the provenance
    also has each row's mean ROUGE-L to all earlier instructions, as Alpaca's has; that measures every pair.
    A run ends as saturated when the acceptance (0 to 1) of its last 100 root requests is below `least_acceptance`.
    """

    num: Annotated[int, Field(ge=1)] = 100
    least_acceptance: Annotated[float, Field(ge=0, le=1)] = 0.02
    rouge: Annotated[float, Field(gt=0, le=1)] = 0.7
    tokens: Literal["unicode", "ascii"] = "unicode"
    mean_similarity: bool = False
    language: Annotated[str, Field(pattern="^[a-z]{2,3}$")] = "en"
    format: str = "alpaca"
    filters: dict[str, FilterSetting] = {}


class Runtime(_Part):
    """How fast, and for how much at most.

    `concurrency` calls at a time; `rpm` calls and `tpm` tokens a minute (None: what the endpoint grants). `timeout` is
    seconds for one call, `patience` seconds without any answer before the run stops, `grace` seconds that calls in flight
    get after an interruption. `max_requests`, `max_tokens` and `max_usd` bound the whole run, over all continuations.
    `price` states US dollars per million tokens: `input`, `output`, perhaps `cached_input`, and `batch` (a factor).
    `batch` asks through the provider's Batch API.
    """

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 8
    rpm: Annotated[float, Field(ge=0.1)] | None = None
    tpm: Annotated[float, Field(ge=1)] | None = None
    max_requests: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_usd: Annotated[float, Field(gt=0)] | None = None
    timeout: Annotated[float, Field(gt=0)] = 300.0
    patience: Annotated[float, Field(ge=0)] = 600.0
    grace: Annotated[float, Field(ge=0)] = 30.0
    batch: bool = False
    price: dict[Literal["input", "output", "cached_input", "batch"], Annotated[float, Field(ge=0)]] = {}

    @field_validator("price")
    @classmethod
    def _is_a_price(cls, value: dict[str, float]) -> dict[str, float]:
        if value and not {"input", "output"} <= value.keys():
            raise ValueError("needs both input and output, in US dollars per million tokens")
        return value


class Card(_Part):
    """What the dataset card says that no run can know."""

    title: str = ""
    licence: str = ""
    seeds_licence: str = ""
    teacher_terms: str = ""


class Recipe(_Part):
    """A whole recipe; `[generate]` is frozen with the run."""

    generate: Generate = Generate()
    curate: Curate = Curate()
    runtime: Runtime = Runtime()
    card: Card = Card()

    def with_settings(self, settings: Mapping[str, Any]) -> Recipe:
        """This recipe with some settings changed, each in the part that has its name; raises RecipeError."""
        changed = self.model_dump()
        for name, value in settings.items():
            part = part_of(name)
            if isinstance(value, dict) and isinstance(changed[part][name], dict):
                changed[part][name] = {**changed[part][name], **value}
            else:
                changed[part][name] = value
        return parse(changed, "settings")


def part_of(name: str) -> str:
    """The part of the recipe that has a setting of this name; raises RecipeError with what there is."""
    parts: dict[str, type[_Part]] = {"generate": Generate, "curate": Curate, "runtime": Runtime, "card": Card}
    for part, model in parts.items():
        if name in model.model_fields:
            return part
    known = ", ".join(field for model in parts.values() for field in model.model_fields)
    raise RecipeError(f"there is no setting {name!r}; there are: {known}")


def load(path: str | Path) -> dict[str, Any]:
    """The settings of a TOML recipe, checked, but only those that it names; raises RecipeError with file and place."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: is not valid TOML ({error}); mend the file") from None
    parse(values, str(path))
    return {name: value for part in values.values() for name, value in part.items()}


def parse(values: Mapping[str, Any], source: str) -> Recipe:
    """A recipe from plain values; raises RecipeError that names the setting, the value and the reason."""
    try:
        recipe = Recipe.model_validate(values)
        json.dumps(recipe.model_dump(), allow_nan=False)
        return recipe
    except TypeError as error:
        raise RecipeError(
            f"{source}: has a value that JSON cannot hold ({error}); use texts, numbers, lists and tables"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        if place == "generate.max_tokens":
            raise RecipeError(
                f"{source}: the most tokens of one reply are called reply_tokens in [generate]; max_tokens in [runtime] "
                "bounds the whole run"
            ) from None
        if first["type"] == "extra_forbidden":
            raise RecipeError(f"{source}: there is no setting {place!r}; check its name and its part") from None
        given, reason = repr(first["input"])[:60], first["msg"].removeprefix("Value error, ")
        raise RecipeError(f"{source}: {place}: {reason[:1].lower()}{reason[1:]} (it is {given})") from None
    except ValueError as error:
        raise RecipeError(f"{source}: has a number that JSON cannot hold ({error}); use finite numbers") from None
