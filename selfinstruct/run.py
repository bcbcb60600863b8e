"""A run: its recipe, its directory, and its actions: generate, build, write, export."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct import event_loop
from selfinstruct.client.ask import DurableAsk
from selfinstruct.client.connect import Teachers, cancel_batches, connect, limits_of
from selfinstruct.client.shutdown import stopped_by_signals
from selfinstruct.contracts import Teacher
from selfinstruct.curate.curator import Curator
from selfinstruct.curate.dataset import Dataset
from selfinstruct.curate.rules import rules
from selfinstruct.errors import RecipeChanged, RunDirectoryError, SelfInstructError, UserMistake, setting
from selfinstruct.generate.assembly import assemble, first_request
from selfinstruct.generate.mixture import Mixture
from selfinstruct.inputs.topics import row_quotas
from selfinstruct.journal.file import Journal
from selfinstruct.layout import JOURNAL, RUN
from selfinstruct.pipeline import Watch, generate_rows, is_useless
from selfinstruct.recipe import loading
from selfinstruct.recipe.arguments import read_arguments
from selfinstruct.recipe.resolve import merge, resolve
from selfinstruct.recipe.schema import Recipe
from selfinstruct.records import Request
from selfinstruct.rundir import dataset_card, derived_files, exporting, manifest
from selfinstruct.rundir.definition import Definition, begin, continued
from selfinstruct.rundir.exporting import Exported
from selfinstruct.text import counted

if TYPE_CHECKING:
    import datasets

OnStart = Callable[[], None] | None
OnStop = Callable[[int, float], None]
OnWrite = Callable[[int], None]
_FEW_REPLIES = 200  # of a run that may be defined again because none of them has a task
_BATCHED_AHEAD = 20_000  # root requests under way if they are sent by batch


class Run:
    """A run directory with its recipe: a new run, or the one that is on the disk.

    Nothing is written before `generate` or `write`.

    Args:
        path: The run directory.
        recipe: The path of a TOML file, or the name of a bundled recipe.
        teacher: A name, or an object with the methods of `contracts.Teacher`.
        method: A name, or a function as `contracts.Method` describes it.
        filters: A mapping from names to True, False or options, or a sequence of functions to add.
        settings: Any setting of a recipe by its name. It wins over the recipe.

    Raises:
        UserMistake: The caller can correct a setting or an input. RecipeError, SeedError and PluginError are kinds of it.

    Examples:
        >>> run = Run("runs/kenya", seeds="mine.jsonl", model="gpt-4o-mini", num=1000)
        >>> dataset = run.generate()  # the same call resumes a run that was stopped
        >>> strict = run.build(rouge=0.5)  # sends no request
    """

    def __init__(
        self,
        path: str | Path,
        recipe: str | Path | None = None,
        *,
        teacher: str | Teacher | None = None,
        method: str | Callable[..., Any] | None = None,
        filters: Mapping[str, Any] | Sequence[Callable[..., Any]] = (),
        **settings: Any,
    ) -> None:
        self.path = Path(path)
        self._arguments = read_arguments(teacher, method, filters, settings)
        given = merge(self._arguments.settings, loading.load(recipe) if recipe else {}, str(recipe))
        self.is_new = not manifest.exists(self.path)
        self.definition = self._define(given)
        self._teachers = Teachers(lambda: self.recipe, self._arguments.teachers)
        # What would fail after the first paid reply must fail now.
        if self.is_new or filters:
            rules(self.recipe.curate.filters, self._arguments.filters)
        self.methods()
        self._ask: DurableAsk | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_stop: OnStop | None = None
        self._on_write: OnWrite | None = None
        self._interrupted = self._busy = False

    def __repr__(self) -> str:
        return f"<Run at {self.path}: {counted(self.recipe.curate.num, 'row')} wanted, method {self.definition.methods}>"

    @property
    def recipe(self) -> Recipe:
        """The settings in force: those of the call, the recipe, the stored run and the defaults."""
        return self.definition.recipe

    def generate(
        self, watch: Watch | None = None, on_stop: OnStop | None = None, on_write: OnWrite | None = None, on_start: OnStart = None
    ) -> Dataset:
        """Request replies until there are `num` rows, write the files and return the dataset.

        It resumes: a reply that the journal has is never requested again. It also works in a notebook, where an event loop is
        running.

        Args:
            watch: Called with the dataset so far and the counters of `DurableAsk`, after each step and twice a second.
            on_stop: Called at an interruption with the number of calls in flight and the seconds that they still get.
            on_write: Called with the number of rows before they are written.
            on_start: Called once no other process can write to the run, before anything is written or requested.

        Returns:
            The dataset. It may have fewer rows than `num`, and then `shortfall` gives the reason.

        Raises:
            TeacherStop: The teacher refuses all requests. The files have the rows so far.
            TeacherUnavailable: The teacher gave no answer for `patience` seconds. The files have the rows so far.
            KeyboardInterrupt: The run was stopped. The files have the rows so far.
            RunDirectoryError: The run directory is damaged, in use by another process, or cannot be written.
        """
        with self._claimed():
            self._on_stop, self._on_write = on_stop, on_write
            self._prepare()
            dataset = event_loop.run(lambda: self._guarded(watch, on_start), self.stop)
            if self._interrupted:
                raise KeyboardInterrupt
            return dataset

    async def agenerate(self, watch: Watch | None = None) -> Dataset:
        """Do the work of `generate` as a coroutine in the caller's event loop.

        Args:
            watch: Called with the dataset so far and the counters of `DurableAsk`, after each step and twice a second.

        Returns:
            The dataset. After `stop` it has the rows so far.

        Raises:
            TeacherStop: The teacher refuses all requests. The files have the rows so far.
            TeacherUnavailable: The teacher gave no answer for `patience` seconds. The files have the rows so far.
        """
        with self._claimed():
            self._prepare()
            return await self._generate(watch)

    async def _generate(self, watch: Watch | None, on_start: OnStart = None) -> Dataset:
        runtime = self.recipe.runtime
        try:
            with self._open_journal() as journal:
                if on_start:
                    on_start()
                manifest.record(self.path, self.definition, journal, self._nothing_usable if self.is_new else None)
                self.is_new = False
                ask, batching = connect(journal, runtime, self.definition.price, self._teachers)
                self._ask, self._loop = ask, asyncio.get_running_loop()
                if self._interrupted:
                    ask.close()
                try:
                    batching.start()
                    calls = sum(runtime.of(name).concurrency or 1 for name in self._teachers.names)
                    window = _BATCHED_AHEAD if runtime.batch else self.methods().window(calls)
                    dataset = await self._replay_and_ask(ask, window, watch)
                finally:
                    await batching.close()
                if not ask.stopped_by and not self._interrupted:
                    await batching.collect_ended()
                if batching.collector.late and not dataset.complete:  # the files must be what the journal gives
                    dataset = await self._replay_and_ask(DurableAsk(journal), 1, None)
                try:
                    if self._on_write:
                        self._on_write(len(dataset.rows))
                    # In a thread, so that a second Ctrl-C has effect while the nearest neighbours of many rows are searched.
                    await asyncio.to_thread(self._write, dataset, journal, self.path)
                except RunDirectoryError:
                    if ask.stopped_by is None:  # the reason that the run stopped, such as a full disk, explains more
                        raise
        finally:
            self._loop = None
            await self._teachers.close()
        if ask.stopped_by:
            raise ask.stopped_by
        return dataset

    def cancel(self) -> dict[str, str]:
        """Cancel the run's batches at the provider. Replies that are done by then are saved.

        Returns:
            The state in which each batch ended, by its name.

        Raises:
            UserMistake: The directory has no run.
            TeacherError: The provider cannot be reached or refuses.
        """
        if self.is_new:
            raise UserMistake(f"{self.path}: has no run. Fix: check the path.")
        return event_loop.run(self._cancel)

    async def _cancel(self) -> dict[str, str]:
        try:
            with self._open_journal() as journal:
                return await cancel_batches(journal, self.recipe.runtime, self._teachers)
        finally:
            await self._teachers.close()

    def stop(self) -> None:
        """Send no more requests.

        `generate` then waits up to `grace` seconds for calls in flight, writes the files and raises KeyboardInterrupt.
        """
        self._interrupted = self._busy
        if self._ask and self._loop:
            self._loop.call_soon_threadsafe(self._ask.close)
            self._loop.call_soon_threadsafe(self._ask.shutdown.end_calls_within, self.recipe.runtime.grace)
            if self._on_stop:
                self._on_stop(self._ask.in_flight, self.recipe.runtime.grace)

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        if self._busy:
            raise UserMistake(f"{self.path}: this Run is already generating. Fix: wait for it, or call stop().")
        self._busy, self._interrupted = True, False
        try:
            yield
        finally:
            self._busy, self._on_stop, self._on_write = False, None, None

    def build(self, **changes: Any) -> Dataset:
        """Return the dataset that the journal gives. It sends no request and writes nothing.

        Args:
            changes: Settings of `[curate]` and `[card]` to change, such as `rouge=0.5` or `filters={"refusal": False}`.

        Returns:
            The dataset. `write` puts it into files.

        Raises:
            UserMistake: The directory has no run, or a setting is of `[generate]` or `[runtime]`.
            RunDirectoryError: The run directory has no journal.
        """
        if not manifest.exists(self.path):
            raise UserMistake(f"{self.path}: has no run. Fix: check the path, or begin a run with `generate`.")
        if not (self.path / JOURNAL).exists():
            raise RunDirectoryError(f"{self.path / JOURNAL}: is missing, and nothing can be built without it. Fix: put it back.")
        fixed = [name for name in changes if loading.section_of(name) not in loading.FREE]
        if fixed:
            raise UserMistake(
                f"{setting(fixed[0])}: build changes only settings of [curate] and [card]. Fix: use a new run directory."
            )
        definition = replace(self.definition, recipe=resolve(changes, self.recipe))
        with Journal.reading(self.path / JOURNAL) as journal:
            return event_loop.run(lambda: self._replay_and_ask(DurableAsk(journal), 1, None, definition))

    def write(self, dataset: Dataset | None = None, to: str | Path | None = None) -> Path:
        """Write the derived files of a built dataset and return their directory.

        Args:
            dataset: A dataset from `build`. By default, the one that the journal and the run's settings give.
            to: A new or empty directory. By default the files of the run are replaced, and the dataset's `[curate]` and
                `[card]` become those of the run.

        Raises:
            UserMistake: The directory `to` is not empty.
            RunDirectoryError: The files cannot be written.
        """
        dataset = dataset or self.build()
        if to is None:
            with Journal.writing(self.path / JOURNAL) as journal:
                self._write(dataset, journal, self.path)
            return self.path
        target = Path(to)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UserMistake(f"{target}: already exists. Fix: choose a new or empty directory.")
        manifest.make(target)
        with Journal.reading(self.path / JOURNAL) as journal:
            self._write(dataset, journal, target)
        return target

    def files(self) -> dict[str, bytes]:
        """Return the contents of the derived files by name, as the journal gives them. Nothing is written."""
        dataset = self.build()
        with Journal.reading(self.path / JOURNAL) as journal:
            return self._files(dataset, journal, self.definition)

    def to_hf(self, dataset: Dataset | None = None) -> datasets.Dataset:
        """Return the rows as a `datasets.Dataset` with the text columns instruction, input and output.

        Args:
            dataset: A built dataset. By default, the rows that the journal and the run's settings give.
        """
        import datasets

        columns = (dataset or self.build()).columns
        features = datasets.Features({name: datasets.Value("string") for name in columns})
        return datasets.Dataset.from_dict(columns, features=features)

    def export(
        self, to: str | Callable[..., None], out: str | Path, *, dataset: Dataset | None = None, system: str = "", **options: Any
    ) -> Exported:
        """Write the rows in another shape, such as `messages`. It sends no request and does not change the run.

        Args:
            to: An export's name, `"package.module:function"`, or a function as `contracts.Export` describes it.
            out: A new file or a directory, outside of the run. A path without a file ending is a directory.
            dataset: A built dataset. By default, the rows that the journal and the run's settings give.
            system: A system text that goes with every row.
            options: Options of the export.

        Returns:
            The files that were written, and the number of rows.

        Raises:
            UserMistake: There are no rows, or the export or `out` cannot be used.
        """
        write, target = exporting.writer(to, options), exporting.Target.of(out)
        target.refuse_inside(self.path)
        dataset = dataset or self.build()
        if not dataset.rows:
            raise UserMistake(f"{self.path}: has no rows to export. Fix: run `selfinstruct generate {self.path}` first.")
        with Journal.reading(self.path / JOURNAL) as journal:
            origins = derived_files.provenance(dataset, journal, self._origin_of(self.definition))
            return exporting.export(write, exporting.rows(dataset, origins, system), target)

    def shortfall(self, dataset: Dataset) -> str:
        """Return why a dataset has fewer rows than `num`, in one or two sentences. The text is empty if it has as many."""
        if dataset.complete:
            return ""
        with Journal.reading(self.path / JOURNAL) as journal:
            waiting = [batch.waiting for batch in journal.counts.open_batches.values()]
        limit = self._ask.limit if self._ask else ""
        return dataset.shortfall(str(self.path), limit, waiting, paid=self.definition.paid)

    def methods(self) -> Mixture:
        """Return the run's methods, ready to propose tasks."""
        return assemble(self.definition, self._arguments.method, self._arguments.filters)

    def first_request(self) -> Request:
        """Return the first request that would be sent. Nothing is sent."""
        return event_loop.run(lambda: first_request(self.methods()))

    def _define(self, given: Mapping[str, Any]) -> Definition:
        if self.is_new:
            return begin(resolve(given), given)
        stored = manifest.read(self.path)
        try:
            return continued(stored, resolve(given, stored.recipe), given)
        except RecipeChanged:
            if not manifest.has_no_replies(self.path) and not self._nothing_usable(stored):
                raise
            self.is_new = True  # no row depends on the former settings, so a wrong model name can be corrected
            given = merge(given, stored.given, RUN)
            return begin(resolve(given), given)

    def _nothing_usable(self, stored: Definition) -> bool:
        """Return True if the replies of a run are few and none of them has a task, so that the run may be defined again."""
        with Journal.reading(self.path / JOURNAL) as journal, suppress(SelfInstructError):
            if len(journal) <= _FEW_REPLIES and not journal.counts.open_batches:
                dataset = event_loop.run(lambda: self._replay_and_ask(DurableAsk(journal), 1, None, stored))
                return not dataset.rows and all(map(is_useless, dataset.rejected))
        return False

    def _prepare(self) -> None:
        """Check limits, filters and teachers, before anything is written. A continued run opens its teachers when needed."""
        limits_of(self.recipe.runtime, self.definition.price)
        rules(self.recipe.curate.filters, self._arguments.filters)
        (self._teachers.open_all if self.is_new else self._teachers.check)()

    def _open_journal(self) -> Journal:
        manifest.make(self.path)
        return Journal.writing(self.path / JOURNAL)

    async def _replay_and_ask(self, ask: DurableAsk, window: int, watch: Watch | None, by: Definition | None = None) -> Dataset:
        definition = by or self.definition
        recipe = definition.recipe
        dataset = await generate_rows(
            assemble(definition, self._arguments.method, self._arguments.filters),
            ask,
            self._curator(definition),
            num=recipe.curate.num,
            give_up_after=recipe.generate.give_up_after,
            least_acceptance=recipe.curate.least_acceptance,
            window=window,
            in_rounds=recipe.runtime.batch,
            watch=watch,
        )
        dataset.curate, dataset.card = recipe.curate, recipe.card
        ask.account(dataset)
        return dataset

    def _curator(self, definition: Definition) -> Curator:
        """Return the curator of the settings in force, with the most rows that each topic may have."""
        curate = definition.recipe.curate
        return Curator(definition.seeds, curate, self._arguments.filters, row_quotas(definition.inputs.topics, curate.num))

    def _write(self, dataset: Dataset, journal: Journal, target: Path) -> None:
        given = {name: value for name in loading.FREE if (value := getattr(dataset, name))}
        definition = replace(self.definition, recipe=self.recipe.model_copy(update=given))
        if target == self.path and definition.recipe != self.definition.recipe:
            self.definition = definition
            manifest.update(self.path, definition)
        derived_files.replace(target, self._files(dataset, journal, definition))

    def _files(self, dataset: Dataset, journal: Journal, definition: Definition) -> dict[str, bytes]:
        return derived_files.files(dataset, journal, self._origin_of(definition), dataset_card.card(dataset, definition))

    def _origin_of(self, definition: Definition) -> derived_files.OriginOf:
        methods = self.methods()
        return lambda root: definition.origin(methods.part_of(root))

    async def _guarded(self, watch: Watch | None, on_start: OnStart) -> Dataset:
        """Generate. In the main thread, which gets signals, Ctrl-C and SIGTERM stop it in order."""
        with stopped_by_signals(self.stop) if threading.current_thread() is threading.main_thread() else nullcontext():
            return await self._generate(watch, on_start)
