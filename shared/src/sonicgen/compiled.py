"""Machine code that a bundle brings along, so that a fresh instance does not spend twenty seconds on compiling.

numba keeps what it compiled in files whose place derives from the source's and which hold for one kind of processor.
A bundle is built elsewhere than it runs, so both are settled here: for the processors below, wherever the package lies.
Without such files, or with others than this numba's, everything is compiled as ever.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

# Where the files lie; set for the functions whose bundle has them.
VARIABLE = "SONICGEN_COMPILED"
# With AVX2, as every processor that Cloud Run offers; the machine's own name would tie the files to one model.
PROCESSOR = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ""}
# Index and data of numba's cache.
PATTERNS = ("*.nbi", "*.nbc")
_PACKAGE = Path(__file__).parent


def use_compiled(folder: Path) -> None:
    """Have numba find the machine code that lies in a folder; to be called before numba is imported."""
    cache = _own_folder(folder.absolute())
    for room in sorted(path for path in folder.iterdir() if path.is_dir()):
        place = cache / cache_folder(_PACKAGE / room.name)
        place.mkdir(exist_ok=True)
        for file in (found for pattern in PATTERNS for found in room.glob(pattern)):
            with suppress(FileExistsError):
                (place / file.name).symlink_to(file.absolute())
    os.environ.update(PROCESSOR | {"NUMBA_CACHE_DIR": str(cache)})


def _own_folder(source: Path) -> Path:
    """Return a folder that this user alone may write to, the same for every process: a cache is code that is run.

    The package's own folders may be read-only, and numba takes none that is.
    """
    mark = hashlib.sha256(os.fsencode(source)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"sonicgen-compiled-{os.getuid()}-{mark}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        return Path(tempfile.mkdtemp(prefix="sonicgen-compiled-"))
    return folder


def cache_folder(source: Path) -> str:
    """Return the folder, within its cache, that numba uses for the modules of a folder."""
    return f"{source.name}_{hashlib.sha1(str(source).encode(), usedforsecurity=False).hexdigest()}"
