# What takes longer than a function may: downloads of many hours, bringing in an archive, hearing everything anew. A run
# says how many tasks it has; they share the work among them.
resource "google_cloud_run_v2_job" "job" {
  for_each = local.jobs

  name                = each.key
  location            = var.region
  deletion_protection = false # it holds nothing

  template {
    task_count = 1

    template {
      service_account = google_service_account.workload["job-${each.key}"].email
      timeout         = "${each.value.timeout_seconds}s"
      max_retries     = each.value.max_retries

      containers {
        image   = var.images["jobs"]
        command = ["python", "-m", each.value.module]

        resources {
          limits = {
            cpu    = tostring(each.value.cpu)
            memory = "${each.value.memory_mib}Mi"
          }
        }

        dynamic "env" {
          for_each = local.environment["job-${each.key}"]

          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = local.workloads["job-${each.key}"].secrets

          content {
            name = env.value
            value_source {
              secret_key_ref {
                secret  = local.secret_ids[env.value]
                version = "latest"
              }
            }
          }
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.workload]
}
