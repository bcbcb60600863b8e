"""Build steps that pyproject.toml cannot describe: the compiled kernel, and the bundled seeds, prompts and recipes.

The kernel is plain C, so building it needs a C compiler but no Python headers. Without a compiler, the package installs without
the kernel, and the ROUGE index uses its portable engine.
"""

import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

KERNEL = Path("selfinstruct/rouge/kernel")
BUNDLED = {"seeds": ["*.jsonl"], "prompts": ["*.txt", "*.toml"]}


class BuildWithBundle(build_py):  # type: ignore[misc]  # setuptools has no types
    """Build step that copies the folders of seeds and prompts into the package."""

    def run(self) -> None:
        """Build the package, and copy the bundled files into it."""
        if not self.editable_mode:  # an earlier build may have left files of other sources, the kernel included
            shutil.rmtree(Path(self.build_lib, "selfinstruct"), ignore_errors=True)
        super().run()
        if self.editable_mode:
            return  # an editable install reads the folders of the clone
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
            # Products and sums must round as in Python, so that ties at a threshold are decided in the same way.
            extra_compile_args=["-O3", "-std=c11", "-fvisibility=hidden", "-ffp-contract=off"],
            py_limited_api=True,  # the kernel does not use Python's API, so one build serves all versions
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
