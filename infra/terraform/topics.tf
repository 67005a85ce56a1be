resource "google_pubsub_topic" "topic" {
  for_each = local.topology.topics

  name = each.key
  # What was acknowledged can be delivered again from a moment within these days (seek), when a fault was found late.
  message_retention_duration = "${3 * 24 * 3600}s"
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = local.publish_grants

  topic  = google_pubsub_topic.topic[each.value.topic].id
  role   = "roles/pubsub.publisher"
  member = google_service_account.workload[each.value.account].member
}

# Messages that failed too often. Their own subscription holds them until `sonicgen replay` sends them back.
resource "google_pubsub_topic" "dead_letters" {
  name = local.topology.dead_letters.topic
}

resource "google_pubsub_subscription" "dead_letters" {
  name                       = local.topology.dead_letters.subscription
  topic                      = google_pubsub_topic.dead_letters.id
  ack_deadline_seconds       = 60
  message_retention_duration = "${31 * 24 * 3600}s"

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves a message there: it publishes to the one and acknowledges on the other.
locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic_iam_member" "dead_letters" {
  topic  = google_pubsub_topic.dead_letters.id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letters" {
  for_each = local.event_functions

  subscription = google_pubsub_subscription.push[each.key].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letter_reader" {
  for_each = toset([for account, workload in local.workloads : account if workload.pulls_dead_letters])

  subscription = google_pubsub_subscription.dead_letters.id
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.workload[each.value].member
}
