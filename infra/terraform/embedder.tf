# Voices to vectors on one L4. Nobody outside the project's own network reaches it, and inside only those with the role.
resource "google_cloud_run_v2_service" "embedder" {
  count = var.embedder_enabled ? 1 : 0

  name                = "gpu-embedder"
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = false # it holds nothing

  template {
    service_account                  = google_service_account.workload["run-gpu-embedder"].email
    timeout                          = "${local.containers["gpu-embedder"].timeout_seconds}s"
    max_instance_request_concurrency = local.containers["gpu-embedder"].concurrency
    # One zone: half the price of a reserved second one, and its callers come again anyway.
    gpu_zonal_redundancy_disabled = true

    scaling {
      min_instance_count = 0
      max_instance_count = local.containers["gpu-embedder"].max_instances
    }

    node_selector {
      accelerator = local.containers["gpu-embedder"].gpu
    }

    containers {
      image = var.images["gpu-embedder"]

      resources {
        limits = {
          "cpu"            = tostring(local.containers["gpu-embedder"].cpu)
          "memory"         = "${local.containers["gpu-embedder"].memory_mib}Mi"
          "nvidia.com/gpu" = "1"
        }
        cpu_idle          = false # with a GPU an instance is paid for while it lives
        startup_cpu_boost = true
      }

      # Ready when its models are loaded.
      startup_probe {
        http_get {
          path = "/health/ready"
        }
        period_seconds    = 5
        failure_threshold = 48
      }

      dynamic "env" {
        for_each = local.own_environment["run-gpu-embedder"]

        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = local.workloads["run-gpu-embedder"].secrets

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

  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  depends_on = [google_secret_manager_secret_iam_member.workload]
}
