"""What SonicGen talks about: recordings, matches, and the moves a recording may make."""
