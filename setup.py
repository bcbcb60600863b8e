"""What pyproject.toml cannot say: the compiled kernel, and the seed tasks, prompts and recipes that go into the package.

The kernel is plain C, so building it needs a C compiler and no Python headers. Where there is none, the package installs without
it, and the ROUGE index uses its portable engine.
"""

import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

KERNEL = Path("selfinstruct/rouge/kernel")
BUNDLED = {"seeds": ["*.jsonl"], "prompts": ["*.txt", "*.toml"]}


class BuildWithBundle(build_py):  # type: ignore[misc]  # setuptools has no types
    """Puts the top-level folders of data into the package, where an installed one finds them."""

    def run(self) -> None:
        if not self.editable_mode:  # what an earlier build left there may be of other sources, the kernel too
            shutil.rmtree(Path(self.build_lib, "selfinstruct"), ignore_errors=True)
        super().run()
        if self.editable_mode:
            return  # it finds them in the clone
        for folder, patterns in BUNDLED.items():
            target = Path(self.build_lib, "selfinstruct", "bundled", folder)
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted(path for pattern in patterns for path in Path(folder).glob(pattern)):
                shutil.copyfile(path, target / path.name)


setup(
    cmdclass={"build_py": BuildWithBundle},
    ext_modules=[
        Extension(
            "selfinstruct.rouge._kernel",
            sources=[str(path) for path in sorted(KERNEL.glob("*.c"))],
            depends=[str(path) for path in sorted(KERNEL.glob("*.h"))],
            # Products and sums must round as they do in Python, so that ties at a threshold fall alike.
            extra_compile_args=["-O3", "-std=c11", "-fvisibility=hidden", "-ffp-contract=off"],
            py_limited_api=True,  # it uses none of Python's API, so one build serves all versions
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
