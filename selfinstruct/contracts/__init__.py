"""Everything that you can add to this package: one page for each kind.

    teachers   a model that answers requests
    notations  a way to write tasks in a prompt and to read them from a reply
    methods    a way to have tasks invented and solved
    filters    a rule that rejects examples
    exports    another shape of a run's rows

A filter, a method, a teacher, a notation or an export is one file in the folder of that name, with a function of the file's
name. From outside, `"my_package.rules:no_urls"` works wherever a name does. A notebook passes the object itself.

Import from here whatever your code needs: the protocols, and the records that they take and return.
"""

from selfinstruct.contracts.exports import Export, ExportFiles, ExportRow
from selfinstruct.contracts.filters import Filter, FilterContext, FilterFunction, Stage, filter
from selfinstruct.contracts.methods import Ask, Draw, Method, MethodContext, Option, TeacherProfile, Turn
from selfinstruct.contracts.notations import Notation, Prompt
from selfinstruct.contracts.teachers import BatchEndpoint, Teacher
from selfinstruct.records import Candidate, Example, ParseDefect, ParsedTask, Rejection, Reply, Request, Seed, Usage

__all__ = [
    "Ask", "BatchEndpoint", "Candidate", "Draw", "Example", "Export", "ExportFiles", "ExportRow", "Filter", "FilterContext",
    "FilterFunction", "Method", "MethodContext", "Notation", "Option", "ParseDefect", "ParsedTask", "Prompt", "Rejection",
    "Reply", "Request", "Seed", "Stage", "Teacher", "TeacherProfile", "Turn", "Usage", "filter",
]  # fmt: skip
