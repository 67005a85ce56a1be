# The secrets themselves are made by ../bootstrap and filled by a person; here each is granted to those who read it.
resource "google_secret_manager_secret_iam_member" "workload" {
  for_each = local.secret_grants

  secret_id = "projects/${var.project_id}/secrets/${each.value.secret}"
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.workload[each.value.account].member
}
