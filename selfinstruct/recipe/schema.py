"""The settings of a recipe, as values.

    [generate]  what is asked: fixed when the run begins, for the journal's replies answer exactly this
    [curate]    what is kept: may be changed at any time, for nothing is asked again
    [runtime]   how fast, and for how much: never changes which rows come out
    [card]      what the dataset card says that no run can know

Every setting has one name in the recipe (TOML), on the command line (`--name`) and as a keyword of `Run`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from selfinstruct.text import CONTROL

FilterSetting = bool | dict[str, Any]
_Variable = Annotated[str, Field(pattern="^([A-Za-z_][A-Za-z0-9_]*)?$")]
_Weight = Annotated[float, Field(gt=0, le=1e9)]
_Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,30}$")]  # becomes a part of file names and journal lines


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def _address(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
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


def _no_own_field(value: dict[str, Any]) -> dict[str, Any]:
    if own := value.keys() & {"model", "messages", "prompt", "stream"}:
        raise ValueError(f"cannot set {sorted(own)[0]!r}, which this package sets itself")
    return value


class NamedTeacher(_Part):
    """One of several teachers: where it is, how it is sampled, and its weights among them.

    `propose` is its weight among those that invent tasks, `solve` among those that do the rest (0: never). What is left out
    of the sampling is as in [generate]. `key_variable` names the environment variable with its API key.
    """

    teacher: str = ""
    base_url: str | tuple[str, ...] = ""
    model: str = ""
    key_variable: _Variable = ""
    api: Literal["chat", "completions"] | None = None
    propose: Annotated[float, Field(ge=0, le=1e9)] = 1.0
    solve: Annotated[float, Field(ge=0, le=1e9)] = 1.0
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    reply_tokens: Annotated[int, Field(ge=0)] | None = None
    extra: dict[str, Any] = {}

    _is_an_address = field_validator("base_url")(_address)
    _is_no_part_of_the_request = field_validator("extra")(_no_own_field)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The endpoints' addresses; one empty text where none is named."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url or ("",)


class MixedMethod(_Part):
    """One of several methods in a run: its weight among them, its prompt, its options, and the teachers that it may ask.

    Without `teachers` it may ask all; an empty `prompt` is the one that fits the method.
    """

    method: str
    prompt: str = ""
    weight: _Weight = 1.0
    options: dict[str, float | int | str] = {}
    teachers: tuple[str, ...] = ()


class Generate(_Part):
    """What is asked. An empty `method` or `prompt` means the one that fits the teacher or the method.

    `base_url` may be several addresses that serve the same model; addresses may change while a run goes on, all else here
    is fixed with its first reply. `key_variable` names the environment variable that has the API key, where it is another than
    usual. `reply_tokens` bounds one reply (0: the provider's own bound). `send_seed` gives the
    sampler a seed of its own in each request, for servers that know one. After `give_up_after` root requests without a new
    row the run ends. `options` go to the method, `extra` into the body of each request.

    `teachers` are several instead of one, by names of the user's own, and `mix` several methods instead of one. `source`
    is what `evol` begins with (an Alpaca file or a run directory; the seeds if it is empty), `documents` a folder, a file or
    a dataset's name, `column` the column of the latter, `passage_words` about how many words are shown at a time. `domain`
    describes what all tasks are to be about, `topics` is a file of topics with quotas, `languages` has the weights of
    languages by code. `seed_sampling` draws seeds and generated tasks for prompts at random or prefers those with few admitted
    instructions near them. What was admitted counts for a root request only after `lag` root requests, so no more than twice
    as many are under way where it counts at all.
    """

    teacher: str = "openai"
    base_url: str | tuple[str, ...] = ""
    model: str = ""
    key_variable: _Variable = ""
    api: Literal["chat", "completions"] = "chat"
    teachers: dict[_Name, NamedTeacher] = {}
    method: str = ""
    mix: dict[_Name, MixedMethod] = {}
    prompt: str = ""
    seeds: str = ""
    source: str = ""
    documents: str = ""
    column: str = ""
    passage_words: Annotated[int, Field(ge=20, le=5000)] = 200
    domain: str = ""
    topics: str = ""
    languages: dict[Annotated[str, Field(pattern="^[a-z]{2,3}$")], _Weight] = {}
    seed_sampling: Literal["uniform", "spread"] = "uniform"
    lag: Annotated[int, Field(ge=1, le=100_000)] = 32
    seed: Annotated[int, Field(ge=0)] = 0
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    reply_tokens: Annotated[int, Field(ge=0)] = 4096
    send_seed: bool = False
    give_up_after: Annotated[int, Field(ge=1)] = 100
    options: dict[str, float | int | str] = {}
    extra: dict[str, Any] = {}

    _is_an_address = field_validator("base_url")(_address)
    _is_no_part_of_the_request = field_validator("extra")(_no_own_field)

    @field_validator("domain")
    @classmethod
    def _is_text(cls, value: str) -> str:
        if odd := re.search(f"[{CONTROL}]", value):
            raise ValueError(f"has a control character (U+{ord(odd[0]):04X}); take it out")
        return value

    @model_validator(mode="after")
    def _teachers_have_their_parts(self) -> Self:
        for role in ("propose", "solve"):
            if self.teachers and not any(getattr(one, role) for one in self.teachers.values()):
                raise ValueError(f"teachers: none has a weight to {role}; give at least one `{role} = 1`")
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """The endpoints' addresses; one empty text where none is named."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url or ("",)

    @property
    def by_name(self) -> dict[str, Generate]:
        """These settings as each teacher has them, by its name ("" for the only one)."""
        own: dict[str, Generate] = {}
        for name, one in self.teachers.items():
            stated = {field: value for field, value in one if value is not None and field not in ("propose", "solve", "extra")}
            own[name] = self.model_copy(update={**stated, "extra": {**self.extra, **one.extra}, "teachers": {}})
        return own or {"": self}

    @property
    def parts(self) -> dict[str, MixedMethod]:
        """The methods by the names of their parts ("" for the only one)."""
        return self.mix or {"": MixedMethod(method=self.method, prompt=self.prompt, options=self.options)}


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
    filters: dict[str, FilterSetting] = {}


_Price = dict[Literal["input", "output", "cached_input", "batch"], Annotated[float, Field(ge=0)]]


def _whole_price(value: dict[str, float]) -> dict[str, float]:
    if value and not {"input", "output"} <= value.keys():
        raise ValueError("needs both input and output, in US dollars per million tokens")
    return value


class TeacherPace(_Part):
    """How fast one of several teachers may be asked, and what it costs; what is left out is as in [runtime]."""

    concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = None
    rpm: Annotated[float, Field(ge=0.1)] | None = None
    tpm: Annotated[float, Field(ge=1)] | None = None
    price: _Price = {}

    _is_a_price = field_validator("price")(_whole_price)


class Runtime(_Part):
    """How fast, and for how much at most.

    `concurrency` calls at a time; `rpm` calls and `tpm` tokens a minute (None: what the endpoint grants). `timeout` is
    seconds for one call, `patience` seconds without any answer before the run stops, `grace` seconds that calls in flight
    get after an interruption. `max_requests`, `max_tokens` and `max_usd` bound the whole run, over all continuations.
    `price` states US dollars per million tokens: `input`, `output`, perhaps `cached_input`, and `batch` (a factor).
    `batch` asks through the provider's Batch API. Where there are several teachers, concurrency, rpm and tpm are each one's
    own, and `pace` has other ones by teacher, and their prices.
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
    price: _Price = {}
    pace: dict[_Name, TeacherPace] = {}

    _is_a_price = field_validator("price")(_whole_price)

    def of(self, teacher: str) -> TeacherPace:
        """What holds for one teacher."""
        own = self.pace.get(teacher, TeacherPace())
        return TeacherPace(
            concurrency=own.concurrency or self.concurrency,
            rpm=own.rpm or self.rpm,
            tpm=own.tpm or self.tpm,
            price=own.price or self.price,
        )


class Card(_Part):
    """What the dataset card says that no run can know."""

    title: str = ""
    licence: str = ""
    seeds_licence: str = ""
    source_licence: str = ""
    documents_licence: str = ""
    teacher_terms: str = ""


class Recipe(_Part):
    """A whole recipe; `[generate]` is frozen with the run."""

    generate: Generate = Generate()
    curate: Curate = Curate()
    runtime: Runtime = Runtime()
    card: Card = Card()
