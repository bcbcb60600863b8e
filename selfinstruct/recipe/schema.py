"""The settings of a recipe: names, types, limits, defaults and meanings.

    [generate]  what is asked: fixed when the run begins, because the journal's replies answer exactly this
    [curate]    what is kept: may change at any time, because nothing is asked again
    [runtime]   how fast, and for how much money: never changes which rows come out
    [card]      facts for the dataset card that no run can know

Every setting has one name in the recipe (TOML), on the command line (`--name`) and as a keyword of `Run`. Its description
here is its help text on the command line and its line in the table of settings.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from selfinstruct.recipe.flag import FILTERS, LIMITS, MAKE, RUNNING, STEERING, TEACHER, Flag
from selfinstruct.recipe.values import (
    Api,
    Concurrency,
    Filters,
    Headers,
    KeyHeader,
    LanguageCode,
    Method,
    Price,
    Rpm,
    Share,
    TableName,
    Teacher,
    Temperature,
    Tokens,
    TopP,
    Tpm,
    Variable,
    Weight,
    addresses_of,
    check_address,
    check_extra,
    check_price,
)
from selfinstruct.text import CONTROL


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class NamedTeacher(_Section):
    """One of several teachers: its endpoint, its sampling, and its weights among them.

    A sampling setting that is left out is taken from [generate].
    """

    teacher: Teacher = ""
    base_url: str | tuple[str, ...] = ""
    model: str = ""
    key_variable: Annotated[Variable, Field(description="Environment variable with the API key of this teacher.")] = ""
    key_header: Annotated[KeyHeader, Field(description="Header for the API key of this teacher.")] = ""
    headers: Annotated[Headers, Field(description="More headers of this teacher's calls.")] = {}
    api: Api | None = None
    propose: Annotated[Share, Field(description="Weight among the teachers that propose tasks. 0: never.")] = 1.0
    solve: Annotated[Share, Field(description="Weight among the teachers that do all other steps. 0: never.")] = 1.0
    temperature: Temperature | None = None
    top_p: TopP | None = None
    reply_tokens: Tokens | None = None
    reasoning_effort: str = ""
    extra: dict[str, Any] = {}

    _address = field_validator("base_url")(check_address)
    _extra = field_validator("extra")(check_extra)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The endpoints' addresses, or one empty text where none is named."""
        return addresses_of(self.base_url)


class MixedMethod(_Section):
    """One of several methods in a run: its weight, its prompt, its options and its teachers."""

    method: Method
    prompt: Annotated[str, Field(description="Empty: the prompt that fits the method.")] = ""
    weight: Weight = 1.0
    options: dict[str, float | int | str] = {}
    teachers: Annotated[tuple[str, ...], Field(description="Names of the teachers that it may ask. Empty: all.")] = ()


class Generate(_Section):
    """Settings of the requests. Fixed once the run has replies."""

    teacher: Annotated[
        Teacher,
        Field(description="Kind of teacher: openai (an OpenAI-compatible endpoint), local (in this process) or scripted."),
        Flag(TEACHER, 3, "NAME", default="openai, or local without a key"),
    ] = "openai"
    base_url: Annotated[
        str | tuple[str, ...],
        Field(description="Address of the endpoint, such as http://localhost:8000/v1. Repeat it for more with the same model."),
        Flag(TEACHER, 2, "URL"),
    ] = ""
    model: Annotated[
        str, Field(description="Name of the model, or a GGUF file for the local teacher."), Flag(TEACHER, 1, "NAME")
    ] = ""
    key_variable: Annotated[Variable, Field(description="Environment variable that has the API key. none: send no key.")] = ""
    key_header: Annotated[
        KeyHeader, Field(description="Header that carries the API key, such as api-key. Empty: Authorization.")
    ] = ""
    headers: Annotated[
        Headers, Field(description='More headers of each call. A value "env:NAME" is read from the environment variable NAME.')
    ] = {}
    api: Annotated[Api, Field(description="API to use: chat or completions."), Flag(TEACHER, 4, "NAME")] = "chat"
    teachers: Annotated[dict[TableName, NamedTeacher], Field(description="Several teachers instead of one, by name.")] = {}
    method: Annotated[
        Method,
        Field(description="Generation method. Run `selfinstruct list` for all methods."),
        Flag(MAKE, 6, "NAME", default="fits the teacher"),
    ] = ""
    mix: Annotated[dict[TableName, MixedMethod], Field(description="Several methods instead of one, by name.")] = {}
    prompt: Annotated[
        str,
        Field(description="Name or file of a prompt. Run `selfinstruct list` for all prompts."),
        Flag(MAKE, 7, "NAME|FILE", default="fits the method"),
    ] = ""
    seeds: Annotated[
        str,
        Field(description="File of seed tasks, or a dataset that `datasets` loads."),
        Flag(MAKE, 3, "FILE", default="bundled seeds"),
    ] = ""
    source: Annotated[
        str,
        Field(description="Tasks that the method `evol` changes: an Alpaca file or a run directory."),
        Flag(MAKE, 10, "FILE|DIR", default="the seeds"),
    ] = ""
    documents: Annotated[
        str,
        Field(description="Texts for the method `documents`: a folder or file of text or Markdown, or a table."),
        Flag(MAKE, 8, "FILE|DIR"),
    ] = ""
    column: Annotated[
        str, Field(description="Column that has the text, if documents is a table."), Flag(MAKE, 9, "NAME", default="text")
    ] = ""
    passage_words: Annotated[int, Field(ge=20, le=5000, description="Approximate number of words of one passage.")] = 200
    domain: Annotated[str, Field(description="Subject of all tasks, in one sentence."), Flag(STEERING, 1)] = ""
    topics: Annotated[
        str, Field(description="File of topics. A topic can have a quota: its share of the rows."), Flag(STEERING, 2, "FILE")
    ] = ""
    languages: Annotated[
        dict[LanguageCode, Weight], Field(description="Several languages to request, by code, with weights.")
    ] = {}
    seed_sampling: Annotated[
        Literal["uniform", "spread"],
        Field(description="Seeds to show: uniform, or spread (prefer seeds with few accepted tasks near them)."),
        Flag(STEERING, 3, "NAME"),
    ] = "uniform"
    lag: Annotated[
        int, Field(ge=1, le=100_000, description="Number of root requests before an admitted task can be shown in a prompt.")
    ] = 32
    seed: Annotated[int, Field(ge=0, description="Random seed for the sampling of seed tasks."), Flag(STEERING, 4)] = 0
    temperature: Annotated[
        Temperature | None,
        Field(description="Sampling temperature of the replies. Not sent if unset."),
        Flag(TEACHER, 5, default="the model's"),
    ] = None
    top_p: Annotated[
        TopP | None, Field(description="Nucleus sampling: the share of the probability to sample from. Not sent if unset.")
    ] = None
    reply_tokens: Annotated[
        Tokens | None,
        Field(description="Maximum tokens of one reply. 0: never sent. Unset: sent only if a limit of the run needs it."),
        Flag(TEACHER, 6, default="the model's, or 4096 under a limit"),
    ] = None
    reasoning_effort: Annotated[
        str, Field(description="Effort of a thinking model, such as low. Sent as reasoning_effort."), Flag(TEACHER, 7, "LEVEL")
    ] = ""
    send_seed: Annotated[bool, Field(description="Send a sampler seed with each request.")] = False
    give_up_after: Annotated[int, Field(ge=1, description="End the run after this many root requests without a new row.")] = 100
    options: Annotated[
        dict[str, float | int | str], Field(description="Options of the method. Run `selfinstruct list` for all.")
    ] = {}
    extra: Annotated[
        dict[str, Any],
        Field(description="One more field of each request's body, such as top_k=40. Repeat it for more fields."),
        Flag(TEACHER, 8, "KEY=VALUE"),
    ] = {}

    _address = field_validator("base_url")(check_address)
    _extra = field_validator("extra")(check_extra)

    @field_validator("domain")
    @classmethod
    def _check_domain(cls, value: str) -> str:
        if odd := re.search(f"[{CONTROL}]", value):
            raise ValueError(f"has a control character (U+{ord(odd[0]):04X}). Fix: remove it.")
        return value

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        for role in ("propose", "solve"):
            if self.teachers and not any(getattr(teacher, role) for teacher in self.teachers.values()):
                raise ValueError(f"teachers: none has a weight to {role}. Fix: set `{role} = 1` for at least one.")
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """The endpoints' addresses, or one empty text where none is named."""
        return addresses_of(self.base_url)

    @property
    def by_name(self) -> dict[str, Generate]:
        """These settings as each teacher has them, by its name ("" for the only one)."""
        each: dict[str, Generate] = {}
        for name, teacher in self.teachers.items():
            stated = teacher.model_dump(exclude_none=True, exclude={"propose", "solve", "extra", "headers"})
            tables = {"extra": {**self.extra, **teacher.extra}, "headers": {**self.headers, **teacher.headers}, "teachers": {}}
            each[name] = self.model_copy(update={**self._inherited(stated), **tables})
        return each or {"": self}

    def _inherited(self, stated: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of one of several teachers without empty texts, in whose place those of [generate] count."""
        return {name: value for name, value in stated.items() if value or name not in ("key_header", "reasoning_effort")}

    @property
    def parts(self) -> dict[str, MixedMethod]:
        """The methods by the names of their parts ("" for the only one)."""
        return self.mix or {"": MixedMethod(method=self.method, prompt=self.prompt, options=self.options)}


class Curate(_Section):
    """Settings of the rows. Change them at any time for free."""

    num: Annotated[int, Field(ge=1, description="Number of rows to accept."), Flag(MAKE, 1)] = 100
    least_acceptance: Annotated[
        float, Field(ge=0, le=1, description="End the run if a lower share of candidates is accepted in 100 root requests.")
    ] = 0.02
    rouge: Annotated[
        float,
        Field(gt=0, le=1, description="Reject an instruction if its ROUGE-L to an earlier one is above this limit."),
        Flag(FILTERS, 1),
    ] = 0.7
    tokens: Annotated[
        Literal["unicode", "ascii"],
        Field(description="Words that ROUGE-L compares: unicode (all scripts), or ascii (as rouge_score)."),
    ] = "unicode"
    reasoning: Annotated[bool, Field(description="Add the thinking of each row's reply to the provenance.")] = False
    mean_similarity: Annotated[
        bool, Field(description="Write the mean ROUGE-L to all earlier instructions into the provenance, as Alpaca does.")
    ] = False
    language: Annotated[
        LanguageCode, Field(description="Language to ask for, by code: zh, sw, pt-BR."), Flag(MAKE, 5, "CODE")
    ] = "en"
    filters: Annotated[Filters, Field(description="Filters by name: true, false, or their options.")] = {}


class TeacherPace(_Section):
    """Limits of rate and prices of one of several teachers. A setting that is left out is taken from [runtime]."""

    concurrency: Concurrency | None = None
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    price: Price = {}

    _price = field_validator("price")(check_price)


class Runtime(_Section):
    """Speed and hard limits. They never change which rows you get."""

    concurrency: Annotated[Concurrency, Field(description="Maximum requests in flight at a time."), Flag(RUNNING, 2)] = 8
    rpm: Annotated[Rpm | None, Field(description="Maximum requests per minute. Learned if unset."), Flag(RUNNING, 3)] = None
    tpm: Annotated[Tpm | None, Field(description="Maximum tokens per minute. Learned if unset."), Flag(RUNNING, 4)] = None
    max_requests: Annotated[
        int | None, Field(ge=1, description="Hard limit of requests for the whole run. Retries count."), Flag(LIMITS, 3)
    ] = None
    max_tokens: Annotated[int | None, Field(ge=1, description="Hard limit of tokens for the whole run."), Flag(LIMITS, 2)] = None
    max_usd: Annotated[float | None, Field(gt=0, description="Hard limit of US dollars for the whole run."), Flag(LIMITS, 1)] = (
        None
    )
    timeout: Annotated[float, Field(gt=0, description="Seconds to wait for one reply before a retry."), Flag(RUNNING, 5)] = 300.0
    patience: Annotated[
        float, Field(ge=0, description="Seconds without an answer before the run stops (exit status 4)."), Flag(RUNNING, 6)
    ] = 600.0
    grace: Annotated[float, Field(ge=0, description="Seconds for requests in flight after Ctrl-C."), Flag(RUNNING, 7)] = 30.0
    batch: Annotated[bool, Field(description="Send the requests through the provider's Batch API."), Flag(LIMITS, 4)] = False
    price: Annotated[
        Price, Field(description="US dollars per million tokens: input, output, cached_input. batch: factor for batches.")
    ] = {}
    pace: Annotated[
        dict[TableName, TeacherPace], Field(description="Concurrency, rpm, tpm and price of each teacher, by name.")
    ] = {}

    _price = field_validator("price")(check_price)

    def of(self, teacher: str) -> TeacherPace:
        """Return the limits and prices that hold for one teacher."""
        own = self.pace.get(teacher, TeacherPace())
        return TeacherPace(
            concurrency=own.concurrency or self.concurrency,
            rpm=own.rpm or self.rpm,
            tpm=own.tpm or self.tpm,
            price=own.price or self.price,
        )


class Card(_Section):
    """Facts for the dataset card that the run cannot know."""

    title: Annotated[str, Field(description="Title of the dataset.")] = ""
    licence: Annotated[str, Field(description="Licence of the dataset, such as cc-by-4.0.")] = ""
    seeds_licence: Annotated[str, Field(description="Licence of the seed tasks.")] = ""
    source_licence: Annotated[str, Field(description="Licence of the tasks of `source`.")] = ""
    documents_licence: Annotated[str, Field(description="Licence of the documents.")] = ""
    teacher_terms: Annotated[str, Field(description="Contents of the teacher's terms, and the date of your check.")] = ""


SECTIONS: dict[str, type[BaseModel]] = {"generate": Generate, "curate": Curate, "runtime": Runtime, "card": Card}


class Recipe(_Section):
    """A whole recipe."""

    generate: Generate = Generate()
    curate: Curate = Curate()
    runtime: Runtime = Runtime()
    card: Card = Card()
