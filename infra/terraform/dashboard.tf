locals {
  # One chart each: a title, a metric, how it is drawn together, and by what.
  charts = [
    {
      title   = "Messages waiting, by subscription"
      filter  = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" resource.type=\"pubsub_subscription\""
      aligner = "ALIGN_MEAN"
      reducer = "REDUCE_SUM"
      by      = ["resource.label.subscription_id"]
    },
    {
      title   = "Oldest message, by subscription (s)"
      filter  = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" resource.type=\"pubsub_subscription\""
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_MAX"
      by      = ["resource.label.subscription_id"]
    },
    {
      title   = "Requests a second, by service and answer"
      filter  = "metric.type=\"run.googleapis.com/request_count\" resource.type=\"cloud_run_revision\""
      aligner = "ALIGN_RATE"
      reducer = "REDUCE_SUM"
      by      = ["resource.label.service_name", "metric.label.response_code_class"]
    },
    {
      title   = "p95 of requests (ms), by service"
      filter  = "metric.type=\"run.googleapis.com/request_latencies\" resource.type=\"cloud_run_revision\""
      aligner = "ALIGN_PERCENTILE_95"
      reducer = "REDUCE_MAX"
      by      = ["resource.label.service_name"]
    },
    {
      title   = "Instances, by service"
      filter  = "metric.type=\"run.googleapis.com/container/instance_count\" resource.type=\"cloud_run_revision\""
      aligner = "ALIGN_MAX"
      reducer = "REDUCE_SUM"
      by      = ["resource.label.service_name"]
    },
    {
      title   = "p95 of starts (ms), by service"
      filter  = "metric.type=\"run.googleapis.com/container/startup_latencies\" resource.type=\"cloud_run_revision\""
      aligner = "ALIGN_PERCENTILE_95"
      reducer = "REDUCE_MAX"
      by      = ["resource.label.service_name"]
    },
    {
      title   = "Recordings decided, by reason"
      filter  = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.metric["recordings_decided"].name}\" resource.type=\"cloud_run_revision\""
      aligner = "ALIGN_SUM"
      reducer = "REDUCE_SUM"
      by      = ["metric.label.reason"]
    },
    {
      title   = "p95 of fingerprinting (s)"
      filter  = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.fingerprint_seconds.name}\" resource.type=\"cloud_run_revision\""
      aligner = "ALIGN_PERCENTILE_95"
      reducer = "REDUCE_MAX"
      by      = []
    },
  ]
}

resource "google_monitoring_dashboard" "this" {
  dashboard_json = jsonencode({
    displayName = "SonicGen ${var.environment}"
    mosaicLayout = {
      columns = 12
      tiles = [
        for place, chart in local.charts : {
          xPos   = (place % 2) * 6
          yPos   = floor(place / 2) * 4
          width  = 6
          height = 4
          widget = {
            title = chart.title
            xyChart = {
              dataSets = [{
                plotType = "LINE"
                timeSeriesQuery = {
                  timeSeriesFilter = {
                    filter = chart.filter
                    aggregation = {
                      alignmentPeriod    = "300s"
                      perSeriesAligner   = chart.aligner
                      crossSeriesReducer = chart.reducer
                      groupByFields      = chart.by
                    }
                  }
                }
              }]
            }
          }
        }
      ]
    }
  })
}
