# One push subscription for each function that events drive, with an account of its own that may call that function alone.
resource "google_pubsub_subscription" "push" {
  for_each = local.event_functions

  name                       = each.value.service
  topic                      = google_pubsub_topic.topic[each.value.topic].id
  ack_deadline_seconds       = local.topology.delivery.ack_deadline_seconds
  message_retention_duration = "${7 * 24 * 3600}s"
  # Buckets tell of new objects only; whoever publishes to their topic by hand is held to the same.
  filter = contains(local.notified_topics, each.value.topic) ? "attributes.eventType = \"OBJECT_FINALIZE\"" : null

  push_config {
    # functions-framework reads the topic from the path.
    push_endpoint = join("/", [
      google_cloudfunctions2_function.function[each.key].service_config[0].uri,
      google_pubsub_topic.topic[each.value.topic].id,
    ])

    oidc_token {
      service_account_email = google_service_account.push[each.key].email
      audience              = google_cloudfunctions2_function.function[each.key].service_config[0].uri
    }

    # Our own events arrive as native CloudEvents; what buckets, the scheduler and people send is wrapped in JSON.
    dynamic "no_wrapper" {
      for_each = local.topology.topics[each.value.topic].wrapped ? [] : [true]

      content {
        write_metadata = true
      }
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = local.topology.delivery.max_delivery_attempts
  }

  expiration_policy {
    ttl = ""
  }

  depends_on = [google_cloud_run_v2_service_iam_member.push]
}

locals {
  notified_topics = [for bucket in local.topology.buckets : bucket.notify.topic]
}

resource "google_service_account" "push" {
  for_each = local.event_functions

  account_id   = "push-${each.value.service}"
  display_name = "Delivers ${each.value.topic} to ${each.value.service}"
}

resource "google_cloud_run_v2_service_iam_member" "push" {
  for_each = local.event_functions

  name     = google_cloudfunctions2_function.function[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.push[each.key].member
}
