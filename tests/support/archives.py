"""Archives of our own making, unpacked by whichever Python there is."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar file. Python 3.11.2, as in Debian 12, has no filters yet; newer ones warn where none is named."""
    with tarfile.open(archive) as files:
        if hasattr(tarfile, "data_filter"):
            files.extraction_filter = tarfile.data_filter
        files.extractall(folder)
