"""Speaker encoders: speech to vectors, behind `sonicgen.voices.encoder.Encoder`."""
