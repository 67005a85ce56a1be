# The only places that anybody may call: the console, and the callbacks of AssemblyAI and of hubs. Each checks its caller
# itself: the console by session or API key, the callbacks by a shared secret or a signature.
resource "google_cloud_run_v2_service_iam_member" "public" {
  for_each = local.public_services

  name     = each.value
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"

  depends_on = [google_cloudfunctions2_function.function, google_cloud_run_v2_service.console]
}
