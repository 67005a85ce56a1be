"""The embedded cloud's Cloud Storage: the JSON API that the real client speaks, on this machine's disk.

There is a package that serves this API (gcp-storage-emulator), but it knows no generation preconditions and no
notifications, takes one request at a time and keeps its list in one file that a kill can destroy.

```
server ─► app ─► routes_* ─► buckets, objects, uploads, notifications ─► database, files
   └────► outbox ────────────────────────────────────────────────────────────┘
```
"""

from sonicgen.local.storage.outbox import Publish
from sonicgen.local.storage.server import StorageServer

__all__ = ["Publish", "StorageServer"]
