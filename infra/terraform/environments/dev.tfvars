# A project of its own for trying things: small, destroyed without a question.
environment         = "dev"
deletion_protection = false
monthly_budget      = 50
max_instances = {
  fingerprint_match = 4
  video_download    = 2
}
secrets_in_use = []
settings = {
  SONICGEN_LOG_LEVEL            = "DEBUG"
  SONICGEN_TRANSCRIPTION_BUDGET = "1h"
}
