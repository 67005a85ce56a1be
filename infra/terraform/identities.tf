# One account for each function, container and job. None has a key, and none has a role on the project but for Firestore,
# which has no narrower one.
resource "google_service_account" "workload" {
  for_each = local.workloads

  account_id   = each.key
  display_name = "SonicGen: ${each.key}"
}

resource "google_project_iam_member" "documents" {
  for_each = toset([for account, workload in local.workloads : account if workload.writes_documents])

  project = var.project_id
  role    = "roles/datastore.user"
  member  = google_service_account.workload[each.value].member
}

resource "google_cloud_run_v2_service_iam_member" "caller" {
  for_each = local.call_grants

  name     = one(google_cloud_run_v2_service.embedder[*].name)
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.workload[each.value.account].member
}

resource "google_cloud_run_v2_job_iam_member" "starter" {
  for_each = local.job_grants

  name     = google_cloud_run_v2_job.job[each.value.job].name
  location = var.region
  # Starts it, with other arguments than its own.
  role   = "roles/run.jobsExecutorWithOverrides"
  member = google_service_account.workload[each.value.account].member
}
