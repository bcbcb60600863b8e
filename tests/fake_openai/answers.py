"""Completions that are a function of the request body alone, `created` included."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from fake_openai import tongues

_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u")]
_WORDS = [x + y for x in _SYLLABLES for y in _SYLLABLES[:40]]
_VERBS = ["Explain", "List", "Compare", "Summarise", "Translate", "Rank", "Describe", "Correct", "Plan", "Name"]
_COUNT, _LEAD = re.compile(r"List of (\d+)"), re.compile(r"(\d+)\. Instruction:\s*$")
_UNUSABLE = [
    ("Draw a {0} {1} {2} near the {3}", "", "Done."),
    ("{0} {1}", "", "Too short an instruction."),
    ("Tell me how {0} and {1} meet {2}", "", ""),
    ("Explain {0} to {1} and {2} and {3}", "", "As an AI language model, I cannot do that."),
    ("Sort the {0} {1} words in the {2} list", "[insert text]", "Sorted."),
    ("Show where {0} {1} keeps {2} and {3}", "", "See https://{0}.invalid/{1} for that."),
]


def sentence(rng: random.Random, words: int) -> str:
    """Return made-up words in a row."""
    return " ".join(rng.choices(_WORDS, k=words))


def task(rng: random.Random) -> tuple[str, str, str]:
    """Return an instruction, an input and an output, 15 % of them such that a filter rejects them."""
    if rng.random() < 0.15:
        instruction, input, output = rng.choice(_UNUSABLE)
        words = rng.choices(_WORDS, k=4)
        return instruction.format(*words), input, output.format(*words)
    instruction = f"{rng.choice(_VERBS)} {sentence(rng, rng.randint(5, 18))}{rng.choice('.?')}"
    input = sentence(rng, rng.randint(5, 30)) if rng.random() < 0.4 else ""
    output = sentence(rng, rng.randint(5, 40)).capitalize() + "."
    if rng.random() < 0.2:
        output += f"\n\n### {sentence(rng, 2)}\n- {sentence(rng, 4)} in 2020.\n- {sentence(rng, 4)}"
    return instruction, input, output


def numbered(rng: random.Random, asked: str) -> str:
    """Return a numbered list of tasks, as long as the prompt says and from the number that the prompt ends with."""
    last = int(_COUNT.findall(asked)[-1])
    first = int(lead[1]) if (lead := _LEAD.search(asked)) else 1
    items = []
    for number in range(first, last + 1):
        instruction, input, output = task(rng)
        items.append(
            f"{number}. Instruction: {instruction}\n{number}. Input:\n{input or '<noinput>'}\n{number}. Output:\n{output}"
        )
    return "\n###\n".join(items)


def answer(body: dict[str, Any], mark: str) -> str:
    """Return the text of a completion, in the form that the last message asks for."""
    rng = random.Random(mark)
    last = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
    if language := tongues.asked_for(last):
        return in_language(rng, last, language, "response_format" in body)
    if "response_format" in body:
        keys = ("instruction", "input", "output")
        return json.dumps({"tasks": [dict(zip(keys, task(rng), strict=True)) for _ in range(20)]})
    if _COUNT.search(last):
        return numbered(rng, last)
    if last.startswith("Write a new instruction.") or last.endswith("<|im_start|>user\n"):
        return task(rng)[0]
    for sign, write in _STEPS.items():
        if sign in last:
            return write(rng, last)
    return task(rng)[2]


def in_language(rng: random.Random, asked: str, language: str, as_json: bool) -> str:
    """Return tasks, an instruction or an answer in one of the languages of `tongues`."""
    if as_json:
        keys = ("instruction", "input", "output")
        tasks = [dict(zip(keys, tongues.task(rng, language), strict=True)) for _ in range(20)]
        return json.dumps({"tasks": tasks}, ensure_ascii=False)
    if count := _COUNT.findall(asked):
        return tongues.numbered(rng, language, int(lead[1]) if (lead := _LEAD.search(asked)) else 1, int(count[-1]))
    instruction, _, output = tongues.task(rng, language)
    return output if asked.rstrip().endswith("asks for another language.") else instruction


def listed(rng: random.Random, asked: str) -> str:
    """Return a list of instructions that continues from the number with which the prompt ends."""
    first, last = int(_NEXT.findall(asked)[-1]), int(_TO.findall(asked)[-1])
    return "\n".join(f"{'' if number == first else f'{number}. '}{task(rng)[0]}" for number in range(first, last + 1))


def instances(rng: random.Random, asked: str) -> str:
    """Return one output without an input, or up to three examples, some with two outputs for one input."""
    if rng.random() < 0.3:
        return f"Output: {task(rng)[2]}"
    pairs = [(sentence(rng, 6), task(rng)[2]) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.2:
        pairs.append((pairs[0][0], "Another output for the same input."))
    return "\n".join(f"Example {n}\nInput: {input}\nOutput: {output}" for n, (input, output) in enumerate(pairs, 1))


def labels(rng: random.Random, asked: str) -> str:
    """Return two class labels with an input for each."""
    return "\n".join(f"Label: {label}\nInput: {sentence(rng, 8)}" for label in rng.sample(["red", "blue", "green"], 2))


def quoting(rng: random.Random, asked: str) -> str:
    """Return an answer with a quote, which in 20 % of the cases is not in the passage."""
    words = asked[asked.rindex("Passage: ") :].partition("\n")[0].split()[1:]
    quote = " ".join(words[2:9]) if rng.random() < 0.8 else sentence(rng, 5)
    return f'{task(rng)[2]}\nQuote: "{quote}"'


_NEXT, _TO = re.compile(r"(\d+)\.\s*$"), re.compile(r"numbered list of (\d+)")
_STEPS: dict[str, Callable[[random.Random, str], str]] = {  # words of a prompt, and the function that writes the answer
    "numbered list of": listed,
    "Answer Yes or No.": lambda rng, asked: rng.choice(["Yes", "No"]),
    "Answer Equal or Not equal.": lambda rng, asked: rng.choice(["Equal", "Not equal", "Not equal"]),
    "followed by examples": instances,
    "possible labels": labels,
    "begins with Quote:": quoting,
    "New task:": lambda rng, asked: task(rng)[0],
    "Write the question and nothing else.": lambda rng, asked: task(rng)[0],
    "Write the task and nothing else.": lambda rng, asked: task(rng)[0],
}


def fingerprint(body: dict[str, Any]) -> str:
    """Return the mark of a request body: the SHA-256 of its JSON with sorted keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class Completion(NamedTuple):
    """JSON of a completion, with its tokens of prompt and completion."""

    data: dict[str, Any]
    usage: tuple[int, int]


def completion(body: dict[str, Any], mark: str, cut: bool = False) -> Completion:
    """Return the completion of a request body. With `cut`, return two thirds of it, as at a token limit."""
    text, finish = answer(body, mark), "stop"
    if cut:
        text, finish = text[: len(text) * 2 // 3], "length"
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
    choice |= {"text": text} if "prompt" in body else {"message": {"role": "assistant", "content": text}}
    tokens = len(json.dumps(body.get("messages", body.get("prompt"))).split()), len(text.split())
    usage: dict[str, Any] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    data = {"id": f"x-{mark[:8]}", "created": 1_700_000_000 + int(mark[:5], 16), "model": body["model"], "choices": [choice]}
    return Completion(_odd(data) if body["model"] == "odd-fields" else {**data, "usage": usage}, tokens)


def _odd(data: dict[str, Any]) -> dict[str, Any]:
    """Return a completion with a time in milliseconds, token counts that are not numbers, and deep nesting."""
    nested: Any = []
    for _ in range(200):
        nested = [nested]
    usage = [{}, {"prompt_tokens": "n/a"}, {"prompt_tokens": 10**30}][data["created"] % 3]
    return {"created": data["created"] * 1000, "model": data["model"], "choices": data["choices"], "usage": usage, "odd": nested}
