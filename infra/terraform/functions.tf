# Every folder in functions/. Events reach them through our own subscriptions (subscriptions.tf), since the ones that
# Eventarc would make keep messages for a day and have no dead letters.
resource "google_cloudfunctions2_function" "function" {
  for_each = local.functions

  name     = each.value.service
  location = var.region

  build_config {
    runtime         = "python311"
    entry_point     = "main"
    service_account = "projects/${var.project_id}/serviceAccounts/function-builder@${var.project_id}.iam.gserviceaccount.com"

    source {
      storage_source {
        bucket = local.source_bucket
        object = var.bundles[each.key]
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.workload[each.value.account].email
    available_memory                 = "${each.value.memory_mib}Mi"
    available_cpu                    = tostring(each.value.cpu)
    max_instance_request_concurrency = each.value.concurrency
    timeout_seconds                  = each.value.timeout_seconds
    min_instance_count               = 0
    max_instance_count               = each.value.max_instances
    all_traffic_on_latest_revision   = true
    # Pushes of this project's Pub/Sub count as internal.
    ingress_settings              = each.value.is_public ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY"
    vpc_connector                 = length(each.value.calls) > 0 ? one(google_vpc_access_connector.this[*].id) : null
    vpc_connector_egress_settings = length(each.value.calls) > 0 ? "PRIVATE_RANGES_ONLY" : null
    environment_variables = merge(local.environment[each.value.account], {
      # One event is arithmetic on one core; by default every thread of the clients keeps an arena of tens of MB.
      MALLOC_ARENA_MAX = "2"
      THREADS          = tostring(each.value.concurrency)
    })

    dynamic "secret_environment_variables" {
      for_each = local.workloads[each.value.account].secrets

      content {
        key        = secret_environment_variables.value
        project_id = var.project_id
        secret     = local.secret_ids[secret_environment_variables.value]
        version    = "latest"
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.workload]

  lifecycle {
    precondition {
      condition     = length(setsubtract(keys(local.functions), keys(var.bundles))) == 0
      error_message = "A function has no bundle; build all of them with tools/build_bundles.py."
    }
  }
}
