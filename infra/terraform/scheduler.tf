resource "google_cloud_scheduler_job" "schedule" {
  for_each = local.topology.schedules

  name      = each.key
  region    = var.region
  schedule  = each.value.cron
  time_zone = "Etc/UTC"

  pubsub_target {
    topic_name = google_pubsub_topic.topic[each.value.topic].id
    data       = base64encode("{}")
  }

  retry_config {
    retry_count = 3
  }
}
