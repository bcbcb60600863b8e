"""Errors that this package raises on purpose, and the exit status that each gives a command.

SelfInstructError                   1   root of the tree
├── UserMistake                     2   the caller can correct it
│   ├── SeedError                       a seed file cannot be used
│   ├── PromptError                     a prompt file cannot be used
│   ├── RecipeError                     a setting cannot be used: a recipe file, a flag or a keyword
│   │   └── RecipeChanged               the run has replies, and another [generate] part was given
│   ├── DocumentError                   documents cannot be read or cut into passages
│   ├── TopicError                      a topics file cannot be used
│   ├── TableError                      a file or data set cannot be read or written as rows
│   ├── PluginError                     a named method, filter, teacher, notation or export cannot be used
│   └── MissingExtra                    an optional package is not installed
├── OutputError                     1   an output directory cannot be written
├── RunDirectoryError               1   a run directory is incomplete, damaged or cannot be written
│   ├── JournalError                    the journal is damaged, of another version or cannot be written
│   └── RunLocked                       another process is writing to the run
├── TeacherError                    1   the teacher gave no answer
│   ├── TransientError                  try again: rate limit, 5xx, timeout, broken connection
│   ├── RequestRefused                  this request gets no answer, others do
│   │   └── FieldRefused                a field of the request is not taken, without it there is an answer
│   ├── TeacherStop                     no request gets an answer: bad key, unknown model, no credit
│   │   └── BatchGone                   the provider does not have this batch, or its results
│   └── TeacherUnavailable          4   no answer for the time that --patience allows
├── Shortfall                       3   fewer rows than asked for
└── ReplyMissing                    -   internal: never leaves `Run`

A command prints the message of an error as `selfinstruct: MESSAGE`, without a traceback. A status of a parent counts for its
children, except where they state their own. Ctrl-C gives status 130.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Spelling = Callable[[str, object], str]


def _as_keyword(name: str, value: object) -> str:
    return name if value is None else f"{name}={value!r}"


_spelling: Spelling = _as_keyword


def setting(name: str, value: object = None) -> str:
    """Return a setting as the user writes it, for a message: `num` in Python, `--num` on the command line.

    With a value it is `num=5` or `--num 5`, and `batch=False` or `--no-batch`.
    """
    return _spelling(name, value)


@contextmanager
def spelled_by(spelling: Spelling) -> Iterator[None]:
    """Let `spelling` give the form of each setting in messages, until the context ends. The command line uses it."""
    global _spelling  # noqa: PLW0603 (one process has one user)
    before, _spelling = _spelling, spelling
    try:
        yield
    finally:
        _spelling = before


class SelfInstructError(Exception):
    """Root of all errors that this package raises on purpose.

    Its message is written for users: a place, a problem, and what to do. Catch it to catch every error of this package.
    """

    exit_status = 1


class UserMistake(SelfInstructError):
    """An error that the caller can correct, usually raised before anything is asked or written.

    Its message names the file, flag or keyword to change.
    """

    exit_status = 2


class SeedError(UserMistake):
    """Raised when a seed file is missing, unreadable or has bad rows.

    Correct the rows that the message names. `selfinstruct seeds FILE` lists every problem of a file.
    """


class PromptError(UserMistake):
    """Raised when a prompt is missing, malformed or does not suit the method that uses it.

    Correct the prompt file, or choose a bundled prompt: `selfinstruct list` shows them.
    """


class RecipeError(UserMistake):
    """Raised when a setting has a bad name or value, or excludes another one.

    The setting may come from a recipe file, a flag or a keyword of `Run`. Correct the one that the message names.
    """


class RecipeChanged(RecipeError):
    """Raised when a run that has replies is continued with another `[generate]` part.

    The saved replies answer the former requests. Leave the listed settings as they were, or use a new directory.
    """


class DocumentError(UserMistake):
    """Raised when documents are missing, unreadable or give no passage.

    Correct the files that the message names, or choose others with `--documents` and `--column`.
    """


class TopicError(UserMistake):
    """Raised when a topics file is unreadable, or its topics and quotas cannot be used.

    Correct the line that the message names.
    """


class TableError(UserMistake):
    """Raised when a file or a data set cannot be read as rows, or its rows cannot be written.

    Correct the file, line or column that the message names, or choose another format.
    """


class PluginError(UserMistake):
    """Raised when a method, filter, teacher, notation or export does not exist, cannot be loaded or breaks its contract.

    Check the name with `selfinstruct list`. If the code is your own, correct it as described in `contracts/`.
    """


class MissingExtra(UserMistake):
    """Raised when an optional package is needed and not installed. The message has the command that installs it."""


class OutputError(SelfInstructError):
    """Raised when an output directory cannot be written, for example because the disk is full.

    Free some space or change the permissions, then run the same command again.
    """


class RunDirectoryError(SelfInstructError):
    """Raised when a run directory is incomplete, was changed by hand, or cannot be read or written.

    Put the original file back, or follow the message. `selfinstruct fsck DIR` lists every problem of a run directory.
    """


class JournalError(RunDirectoryError):
    """Raised when the journal is damaged, was written by another version, or cannot be written.

    If the disk is full, free some space and run the same command again: the saved replies are kept.
    """


class RunLocked(RunDirectoryError):
    """Raised when another process is writing to the run directory. Wait for that process, or stop it."""


class TeacherError(SelfInstructError):
    """Parent of the errors by which a teacher gives something other than an answer."""


RATE_LIMIT = "rate_limit"  # the cause of a TransientError that says nothing about the request


class TransientError(TeacherError):
    """Raised by a teacher when the same request may succeed later. The client waits and tries again.

    Attributes:
        cause: A word for the journal and for the counts of `status`, such as `timeout` or RATE_LIMIT.
        wait: Seconds that the server asked to wait (Retry-After), or None.
        charged: True if the provider may bill the call although no usable reply arrived.
    """

    def __init__(self, message: str, *, cause: str, wait: float | None = None, charged: bool = False) -> None:
        super().__init__(message)
        self.cause = cause
        self.wait = wait
        self.charged = charged


class RequestRefused(TeacherError):
    """Raised when the teacher will never answer this request, though it may answer others.

    The refusal is saved in the journal, the candidate is rejected, and the run continues.

    Attributes:
        cause: A word for the journal and for the counts of `status`, such as `content_policy`.
        status: The HTTP status of the answer, or None.
    """

    def __init__(self, message: str, *, cause: str = "refused", status: int | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.status = status


class FieldRefused(RequestRefused):
    """Raised when the teacher refuses one field of the request, such as its temperature.

    The client leaves the field out, or renames it, and asks again.

    Attributes:
        field: The field as it was sent.
        instead: The name to send instead, or "".
        value_only: True if the teacher takes the field with another value.
    """

    def __init__(self, message: str, field: str, *, instead: str = "", value_only: bool = False, status: int = 400) -> None:
        super().__init__(message, cause="field_refused", status=status)
        self.field = field
        self.instead = instead
        self.value_only = value_only


class TeacherStop(TeacherError):
    """Raised when no request will be answered until the user acts: a bad key, an unknown model, no credit.

    The run stops and writes what it has. Correct the cause and run the same command again.
    """


class BatchGone(TeacherStop):
    """Raised when the provider does not know a batch, or no longer has its results.

    Batches belong to an account, so first check that the API key is the one that submitted the batch.
    """


class TeacherUnavailable(TeacherError):
    """Raised when the teacher gave no answer for the time that `--patience` allows, in seconds.

    The run writes what it has. Run the same command again later: it resumes and asks only for what is missing.
    """

    exit_status = 4


class Shortfall(SelfInstructError):
    """Raised by the command line when a run ends in order with fewer rows than `--num`.

    The message gives the reason and what to do. In Python, `Run.shortfall` returns that message.
    """

    exit_status = 3


class ReplyMissing(SelfInstructError):
    """Raised inside a run when a reply is not in the journal and may not be asked for now.

    It ends one root request, for example during a rebuild or after Ctrl-C. `Run` never passes it on to its caller.
    """
