"""Everything that can go wrong, and the exit status each one ends a command with.

SelfInstructError                       1
├── UserMistake                         2   the caller can correct it; one sentence, never a traceback
│   ├── SeedError                           a seed file that cannot be used
│   ├── PromptError                         a prompt file that cannot be used
│   ├── RecipeError                         a recipe, or a flag that stands for a part of it
│   │   └── RecipeChanged                   continuing a run with another [generate] part
│   ├── DocumentError                       documents that tasks cannot be made from
│   ├── TopicError                          a file of topics that cannot be used
│   ├── TableError                          a file or data set whose rows cannot be used as they are
│   ├── PluginError                         a method, filter, teacher, notation or format that is not there
│   └── MissingExtra                        an optional package that is not installed
├── OutputError                         1   a directory for results that cannot be written
├── RunDirectoryError                   1   a run directory that cannot be read or written
│   ├── JournalError                        its journal is damaged, foreign, or cannot be written
│   └── RunLocked                           another process writes to it
├── TeacherError                        1
│   ├── TransientError                      worth another try: rate limit, 5xx, timeout, broken connection
│   ├── RequestRefused                      this one request will never be answered; recorded, the run goes on
│   ├── TeacherStop                     1   no request will be answered: bad key, unknown model, no credit
│   │   └── BatchGone                       the provider does not know a batch, or has its results no more
│   └── TeacherUnavailable              4   kept failing for longer than the user's patience
├── Shortfall                           3   the run ended with fewer rows than asked for
└── ReplyMissing                                 a reply that is not in the journal and may not be asked for (internal)
"""

from __future__ import annotations


class SelfInstructError(Exception):
    """The root of all errors that this package raises on purpose."""

    exit_status = 1


class UserMistake(SelfInstructError):
    """Something the caller can correct: its message says where, why and how."""

    exit_status = 2


class SeedError(UserMistake):
    """A seed file that cannot be used."""


class PromptError(UserMistake):
    """A prompt file that cannot be used."""


class RecipeError(UserMistake):
    """A recipe, or a setting given in its place, that cannot be used."""


class RecipeChanged(RecipeError):
    """A run was continued with another [generate] part than it was begun with."""


class DocumentError(UserMistake):
    """Documents that tasks cannot be made from."""


class TopicError(UserMistake):
    """A file of topics that cannot be used."""


class TableError(UserMistake):
    """A file or data set of anybody's rows that cannot be used as it is."""


class PluginError(UserMistake):
    """A method, filter, teacher, notation or format that does not exist or cannot be loaded."""


class MissingExtra(UserMistake):
    """An optional package that is needed here is not installed."""


class OutputError(SelfInstructError):
    """A directory for results that cannot be written."""


class RunDirectoryError(SelfInstructError):
    """A run directory that cannot be read or written."""


class JournalError(RunDirectoryError):
    """A journal that is damaged, was written by a newer version, or cannot be written."""


class RunLocked(RunDirectoryError):
    """Another process is writing to this run directory."""


class TeacherError(SelfInstructError):
    """Anything a teacher can do other than answer."""


RATE_LIMIT = "rate_limit"  # the cause of a TransientError that is no fault of the request


class TransientError(TeacherError):
    """A fault that may pass: another attempt is worth it.

    `wait` is the number of seconds the server asked to wait (from Retry-After), if it did; `charged` says that the
    provider may have done the work, and bill it, although no usable reply arrived.
    """

    def __init__(self, message: str, *, cause: str, wait: float | None = None, charged: bool = False) -> None:
        super().__init__(message)
        self.cause = cause
        self.wait = wait
        self.charged = charged


class RequestRefused(TeacherError):
    """The teacher will never answer this request; others may be answered."""

    def __init__(self, message: str, *, cause: str = "refused", status: int | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.status = status


class TeacherStop(TeacherError):
    """No request will be answered until the user does something (key, model name, credit)."""


class BatchGone(TeacherStop):
    """The provider does not know a batch, or has its results no more; asking under another key may help."""


class TeacherUnavailable(TeacherError):
    """The teacher kept failing for longer than the user's patience; the run can be continued later."""

    exit_status = 4


class Shortfall(SelfInstructError):
    """The run ended in order, but with fewer rows than asked for."""

    exit_status = 3


class ReplyMissing(SelfInstructError):
    """A reply that is not in the journal and that may not be asked for now."""
