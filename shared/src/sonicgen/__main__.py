"""`python -m sonicgen` is the command `sonicgen`."""

from sonicgen.cli.main import main

main()
