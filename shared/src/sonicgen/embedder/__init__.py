"""The speaker encoders, and the service that runs them: who spoke when and whose voice it is, over HTTP."""

import os

# From 1.29 on ONNX Runtime tells Microsoft of every session unless this is set before it is first imported; it also
# leaves a file with an identifier in the folder of temporary files. Nothing that is heard here leaves the machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
