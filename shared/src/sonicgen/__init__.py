"""SonicGen: where a recording comes from, to the second, and who is speaking."""

import os as _os

__version__ = "0.1.0"

# Before anything imports numba, which reads where its machine code lies once.
if _folder := _os.environ.get("SONICGEN_COMPILED"):
    from pathlib import Path as _Path

    from sonicgen.compiled import use_compiled as _use_compiled

    if _Path(_folder).is_dir():
        _use_compiled(_Path(_folder))
