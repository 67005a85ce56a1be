"""How the speaker encoder in the package was made; needs torch, and the package Resemblyzer for its weights."""
