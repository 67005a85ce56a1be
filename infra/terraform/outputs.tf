output "console_url" {
  description = "The page and the HTTP API."
  value       = google_cloud_run_v2_service.console.uri
}

output "console_revision" {
  description = "The console's newest revision; it has the tag candidate."
  value       = local.console_revision
}

output "candidate_url" {
  description = "The newest revision's own address, with or without traffic."
  value       = replace(google_cloud_run_v2_service.console.uri, "https://", "https://candidate---")
}

output "webhook_url" {
  description = "Where AssemblyAI calls."
  value       = local.function_urls["transcription_webhook"]
}

output "buckets" {
  description = "Drop recordings into the inbox."
  value       = { for key, bucket in google_storage_bucket.audio : key => "gs://${bucket.name}" }
}

output "next" {
  description = "What to do now."
  value = join("\n", compact([
    "1. Drop a recording: gcloud storage cp talk.mp3 gs://${google_storage_bucket.audio["inbox"].name}/",
    "2. Watch it: ${google_cloud_run_v2_service.console.uri}",
    "3. Ask: curl -F clip=@clip.mp3 ${google_cloud_run_v2_service.console.uri}/v1/find",
    contains(var.secrets_in_use, "ASSEMBLYAI_API_KEY") ? "" : "Nobody transcribes: fill the secret assemblyai-api-key and name ASSEMBLYAI_API_KEY in secrets_in_use.",
    contains(var.secrets_in_use, "YOUTUBE_API_KEY") ? "" : "YouTube's channels are not read: fill the secret youtube-api-key and name YOUTUBE_API_KEY in secrets_in_use.",
    var.embedder_enabled ? "" : "Voices are not recognised: ask for a quota of L4 GPUs in ${var.region} and set embedder_enabled.",
    var.billing_account == null ? "There is no budget: set billing_account." : "",
    "Alerts go to ${var.alert_email}; what each means is in docs/operate.md.",
  ]))
}

output "project" {
  description = "The project."
  value       = var.project_id
}
