locals {
  console = local.containers["console"]
  # A revision is named by what it is made of: the same settings and image make no new one.
  console_revision = "console-${substr(sha256(jsonencode([
    var.images["console"], local.environment["run-console"], local.workloads["run-console"].secrets, local.console
  ])), 0, 10)}"
  console_serving = coalesce(var.console_serving_revision, local.console_revision)
}

resource "google_cloud_run_v2_service" "console" {
  name                = "console"
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_ALL"
  deletion_protection = var.deletion_protection

  template {
    revision                         = local.console_revision
    service_account                  = google_service_account.workload["run-console"].email
    timeout                          = "${local.console.timeout_seconds}s"
    max_instance_request_concurrency = local.console.concurrency

    scaling {
      min_instance_count = var.console_min_instances
      max_instance_count = local.console.max_instances
    }

    containers {
      image = var.images["console"]

      resources {
        limits = {
          cpu    = tostring(local.console.cpu)
          memory = "${local.console.memory_mib}Mi"
        }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      startup_probe {
        http_get {
          path = "/healthz"
        }
        period_seconds    = 2
        failure_threshold = 30
      }

      dynamic "env" {
        for_each = local.environment["run-console"]

        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = local.workloads["run-console"].secrets

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

    dynamic "vpc_access" {
      for_each = google_compute_subnetwork.this[*].id

      content {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          subnetwork = vpc_access.value
        }
      }
    }
  }

  # While a release is tested its revision has an address of its own and no traffic (cloudbuild.yaml).
  traffic {
    type     = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
    revision = local.console_serving
    percent  = 100
  }

  traffic {
    type     = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
    revision = local.console_revision
    percent  = 0
    tag      = "candidate"
  }

  depends_on = [google_secret_manager_secret_iam_member.workload]
}
