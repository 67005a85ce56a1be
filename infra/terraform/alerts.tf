# Each alert's name is a heading of docs/operate.md, which says what it means and what to do.
resource "google_monitoring_notification_channel" "email" {
  display_name = "SonicGen operators"
  type         = "email"
  labels       = { email_address = var.alert_email }
}

locals {
  # Over a threshold for a while; `filter` names one metric.
  alerts = {
    "dead-letters" = {
      severity   = "ERROR"
      filter     = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type=\"pubsub_subscription\" AND resource.label.subscription_id=\"${google_pubsub_subscription.dead_letters.name}\""
      aligner    = "ALIGN_MAX"
      reducer    = "REDUCE_SUM"
      group_by   = []
      threshold  = 0
      duration   = "0s"
      comparison = "COMPARISON_GT"
    }
    "oldest-message" = {
      severity   = "WARNING"
      filter     = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.type=\"pubsub_subscription\" AND resource.label.subscription_id!=\"${google_pubsub_subscription.dead_letters.name}\""
      aligner    = "ALIGN_MAX"
      reducer    = "REDUCE_MAX"
      group_by   = ["resource.label.subscription_id"]
      threshold  = 3600
      duration   = "300s"
      comparison = "COMPARISON_GT"
    }
    "errors" = {
      severity   = "WARNING"
      filter     = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.metric["errors"].name}\" AND resource.type=\"cloud_run_revision\""
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      group_by   = ["metric.label.service"]
      threshold  = 10
      duration   = "0s"
      comparison = "COMPARISON_GT"
    }
    "failing-requests" = {
      severity   = "ERROR"
      filter     = "metric.type=\"run.googleapis.com/request_count\" AND resource.type=\"cloud_run_revision\" AND metric.label.response_code_class=\"5xx\" AND resource.label.service_name=monitoring.regex.full_match(\"${join("|", sort(local.public_services))}\")"
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      group_by   = ["resource.label.service_name"]
      threshold  = 5
      duration   = "0s"
      comparison = "COMPARISON_GT"
    }
    "slow-callbacks" = {
      severity   = "WARNING"
      filter     = "metric.type=\"run.googleapis.com/request_latencies\" AND resource.type=\"cloud_run_revision\" AND resource.label.service_name=\"${local.functions["transcription_webhook"].service}\""
      aligner    = "ALIGN_PERCENTILE_99"
      reducer    = "REDUCE_MAX"
      group_by   = []
      threshold  = 5000
      duration   = "300s"
      comparison = "COMPARISON_GT"
    }
    "failed-jobs" = {
      severity   = "ERROR"
      filter     = "metric.type=\"run.googleapis.com/job/completed_execution_count\" AND resource.type=\"cloud_run_job\" AND metric.label.result=\"failed\""
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      group_by   = ["resource.label.job_name"]
      threshold  = 0
      duration   = "0s"
      comparison = "COMPARISON_GT"
    }
    "sweep-failures" = {
      severity   = "WARNING"
      filter     = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.metric["sweep_failures"].name}\" AND resource.type=\"cloud_run_revision\""
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      group_by   = []
      threshold  = 5
      duration   = "600s"
      comparison = "COMPARISON_GT"
    }
    "embedder-stays-up" = {
      severity   = "WARNING"
      filter     = "metric.type=\"run.googleapis.com/container/instance_count\" AND resource.type=\"cloud_run_revision\" AND resource.label.service_name=\"gpu-embedder\""
      aligner    = "ALIGN_MIN"
      reducer    = "REDUCE_SUM"
      group_by   = []
      threshold  = 0
      duration   = "21600s"
      comparison = "COMPARISON_GT"
    }
  }
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each = { for name, alert in local.alerts : name => alert if name != "embedder-stays-up" || var.embedder_enabled }

  display_name          = "sonicgen-${var.environment}: ${each.key}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = each.key

    condition_threshold {
      filter          = each.value.filter
      comparison      = each.value.comparison
      threshold_value = each.value.threshold
      duration        = each.value.duration

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
        group_by_fields      = each.value.group_by
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "See “${each.key}” in docs/operate.md: what it means and what to do."
  }
}

# Nothing else would say that the sweeps have stopped.
resource "google_monitoring_alert_policy" "maintenance_stopped" {
  display_name          = "sonicgen-${var.environment}: maintenance-stopped"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = "maintenance-stopped"

    condition_absent {
      filter   = "metric.type=\"run.googleapis.com/request_count\" AND resource.type=\"cloud_run_revision\" AND metric.label.response_code_class=\"2xx\" AND resource.label.service_name=\"${local.functions["maintenance"].service}\""
      duration = "900s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "See “maintenance-stopped” in docs/operate.md: what it means and what to do."
  }
}

resource "google_monitoring_uptime_check_config" "console" {
  display_name = "console"
  timeout      = "10s"
  period       = "300s"

  http_check {
    path         = "/healthz"
    use_ssl      = true
    validate_ssl = true
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project_id
      host       = trimprefix(google_cloud_run_v2_service.console.uri, "https://")
    }
  }
}

resource "google_monitoring_alert_policy" "console_down" {
  display_name          = "sonicgen-${var.environment}: console-down"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = "console-down"

    condition_threshold {
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.label.check_id=\"${google_monitoring_uptime_check_config.console.uptime_check_id}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "300s"

      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "See “console-down” in docs/operate.md: what it means and what to do."
  }
}
