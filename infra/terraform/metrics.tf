# Counted from the functions' JSON lines (sonicgen/log.py): what the platform's own metrics cannot say.
locals {
  log_metrics = {
    sweep_failures = {
      description = "Sweeps of maintenance that failed"
      filter      = "jsonPayload.message:\"The sweep\" AND jsonPayload.message:\"failed\" AND severity>=ERROR"
      labels      = {}
    }
    recordings_decided = {
      description = "Recordings that came to their final state, by reason"
      filter      = "jsonPayload.logger=\"sonicgen.steps.fingerprint_match\" AND jsonPayload.reason:* AND jsonPayload.seconds:*"
      labels      = { reason = "EXTRACT(jsonPayload.reason)" }
    }
    errors = {
      description = "Lines at error or above, by service"
      filter      = "severity>=ERROR"
      labels      = { service = "EXTRACT(resource.labels.service_name)" }
    }
  }
}

resource "google_logging_metric" "metric" {
  for_each = local.log_metrics

  name             = "sonicgen/${each.key}"
  description      = each.value.description
  filter           = "resource.type=\"cloud_run_revision\" AND ${each.value.filter}"
  label_extractors = each.value.labels

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }
}

resource "google_logging_metric" "fingerprint_seconds" {
  name            = "sonicgen/fingerprint_seconds"
  description     = "Seconds from a recording's claim to its final state"
  filter          = "resource.type=\"cloud_run_revision\" AND ${local.log_metrics.recordings_decided.filter}"
  value_extractor = "EXTRACT(jsonPayload.seconds)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "s"
  }

  bucket_options {
    exponential_buckets {
      scale              = 0.1
      growth_factor      = 1.5
      num_finite_buckets = 24
    }
  }
}
