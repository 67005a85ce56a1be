environment           = "prod"
deletion_protection   = true
monthly_budget        = 500
console_min_instances = 1
# Name a secret here once it has a version (docs/operate.md).
secrets_in_use = ["ASSEMBLYAI_API_KEY", "SONICGEN_WEBHOOK_SECRET", "YOUTUBE_API_KEY"]
settings = {
  SONICGEN_TRANSCRIPTION_BUDGET = "20"
}
