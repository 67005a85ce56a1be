# The two buckets with sound. What is dropped into the inbox, and what downloads bring, is announced to a topic.
resource "google_storage_bucket" "audio" {
  for_each = local.topology.buckets

  name                        = "${var.project_id}-${each.key}"
  location                    = var.storage_location
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  # A recording is read when it comes and then seldom: the cheaper classes pay from the second month on.
  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
    condition {
      age                   = 60
      matches_storage_class = ["STANDARD"]
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }

  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 3600
  }
}

resource "google_storage_notification" "audio" {
  for_each = local.topology.buckets

  bucket             = google_storage_bucket.audio[each.key].name
  topic              = google_pubsub_topic.topic[each.value.notify.topic].id
  payload_format     = "JSON_API_V1"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = each.value.notify.prefix

  depends_on = [google_pubsub_topic_iam_member.storage]
}

data "google_storage_project_service_account" "this" {}

resource "google_pubsub_topic_iam_member" "storage" {
  for_each = toset([for bucket in local.topology.buckets : bucket.notify.topic])

  topic  = google_pubsub_topic.topic[each.value].id
  role   = "roles/pubsub.publisher"
  member = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"
}

resource "google_storage_bucket_iam_member" "workload" {
  for_each = local.bucket_grants

  bucket = google_storage_bucket.audio[each.value.bucket].name
  role   = each.value.access == "write" ? "roles/storage.objectUser" : "roles/storage.objectViewer"
  member = google_service_account.workload[each.value.account].member
}

# Buckets of an archive, which recordings are read from where they lie (docs/backfill.md): for whoever reads the inbox.
resource "google_storage_bucket_iam_member" "archive" {
  for_each = merge([
    for account, workload in local.workloads : {
      for bucket in var.archive_buckets : "${account}/${bucket}" => { account = account, bucket = bucket }
    } if contains(keys(workload.buckets), "inbox")
  ]...)

  bucket = each.value.bucket
  role   = "roles/storage.objectViewer"
  member = google_service_account.workload[each.value.account].member
}
