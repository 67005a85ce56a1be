"""A package, so that its console ends with its last test and leaves the environment as it was."""
