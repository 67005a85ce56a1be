# What has to be there before the first build, applied once by an owner of the project: where Terraform keeps its state,
# where sources and images lie, the secrets without their values, and the account that Cloud Build works with.
terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

variable "project_id" {
  description = "The project; one for each environment."
  type        = string
}

variable "region" {
  description = "The same as in ../terraform."
  type        = string
  default     = "us-central1"
}

variable "github_repository" {
  description = "OWNER/NAME of the repository whose main branch may start builds, without a key; null for none."
  type        = string
  default     = null
}

provider "google" {
  project               = var.project_id
  region                = var.region
  user_project_override = true
  billing_project       = var.project_id
}

locals {
  topology = jsondecode(file("${path.module}/../../shared/src/sonicgen/topology.json"))
  services = toset([
    "artifactregistry", "billingbudgets", "cloudbuild", "cloudfunctions", "cloudresourcemanager", "cloudscheduler",
    "compute", "dns", "firestore", "iam", "iamcredentials", "logging", "monitoring", "pubsub", "run", "secretmanager",
    "serviceusage", "storage", "sts", "vpcaccess", "youtube",
  ])
}

resource "google_project_service" "service" {
  for_each = local.services

  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false
}

resource "google_storage_bucket" "state" {
  name                        = "${var.project_id}-terraform"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      num_newer_versions = 50
    }
  }
}

# Bundles of functions, by hash, and the manifests of releases: what a way back needs.
resource "google_storage_bucket" "source" {
  name                        = "${var.project_id}-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  # A bundle that no build has named again for a year belongs to no release that anybody goes back to.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 365
      matches_prefix = ["functions/"]
    }
  }
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "sonicgen"
  location      = var.region
  format        = "DOCKER"

  docker_config {
    immutable_tags = true
  }

  cleanup_policies {
    id     = "keep-the-last"
    action = "KEEP"
    most_recent_versions {
      keep_count = 20
    }
  }

  cleanup_policies {
    id     = "delete-older"
    action = "DELETE"
    condition {
      older_than = "${90 * 24 * 3600}s"
    }
  }

  depends_on = [google_project_service.service]
}

# The values are added by a person: gcloud secrets versions add NAME --data-file=-
resource "google_secret_manager_secret" "secret" {
  for_each = local.topology.secrets

  secret_id = lower(replace(each.key, "_", "-"))

  replication {
    auto {}
  }

  depends_on = [google_project_service.service]
}

# Turns the bundles of functions into images; it may do nothing else.
resource "google_service_account" "function_builder" {
  account_id   = "function-builder"
  display_name = "Builds the images of functions"
}

resource "google_storage_bucket_iam_member" "function_builder" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.function_builder.member
}

resource "google_project_iam_member" "function_builder" {
  # gen2 functions keep their images in a repository of the platform's own, which does not exist before the first one.
  for_each = toset(["roles/artifactregistry.writer", "roles/logging.logWriter", "roles/storage.objectViewer"])

  project = var.project_id
  role    = each.value
  member  = google_service_account.function_builder.member
}

# Runs cloudbuild.yaml. It makes accounts and grants, so it is as strong as an owner of what is deployed: nobody may act
# as it but Cloud Build, and the main branch below.
resource "google_service_account" "deployer" {
  account_id   = "deployer"
  display_name = "Builds and deploys"
}

resource "google_project_iam_member" "deployer" {
  for_each = toset([
    "roles/artifactregistry.writer",
    "roles/cloudbuild.builds.builder",
    "roles/cloudbuild.builds.editor",
    "roles/cloudfunctions.admin",
    "roles/cloudscheduler.admin",
    "roles/compute.networkAdmin",
    "roles/datastore.owner",
    "roles/dns.admin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/logging.configWriter",
    "roles/logging.logWriter",
    "roles/monitoring.admin",
    "roles/pubsub.admin",
    "roles/resourcemanager.projectIamAdmin",
    "roles/run.admin",
    "roles/serviceusage.serviceUsageConsumer",
    "roles/storage.admin",
    "roles/vpcaccess.admin",
  ])

  project = var.project_id
  role    = each.value
  member  = google_service_account.deployer.member
}

# Grants secrets without being able to read them; a grant to itself would show in the project's audit log.
resource "google_project_iam_custom_role" "secret_granter" {
  role_id     = "sonicgenSecretGranter"
  title       = "Grants access to secrets"
  permissions = ["secretmanager.secrets.get", "secretmanager.secrets.getIamPolicy", "secretmanager.secrets.setIamPolicy"]
}

resource "google_project_iam_member" "secret_granter" {
  project = var.project_id
  role    = google_project_iam_custom_role.secret_granter.name
  member  = google_service_account.deployer.member
}

# Migrations are a step of the build.
resource "google_secret_manager_secret_iam_member" "deployer" {
  secret_id = google_secret_manager_secret.secret["DATABASE_URL"].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.deployer.member
}

# GitHub proves which repository and branch a run belongs to; that stands for the deployer, and no key exists.
resource "google_iam_workload_identity_pool" "github" {
  count = var.github_repository == null ? 0 : 1

  workload_identity_pool_id = "github"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  count = var.github_repository == null ? 0 : 1

  workload_identity_pool_id          = google_iam_workload_identity_pool.github[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "main-branch"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }
  attribute_condition = "assertion.repository == '${var.github_repository}' && assertion.ref == 'refs/heads/main'"

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github" {
  count = var.github_repository == null ? 0 : 1

  service_account_id = google_service_account.deployer.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github[0].name}/attribute.repository/${var.github_repository}"
}

output "next" {
  description = "What to do now."
  value       = <<-TEXT
    1. The database's address:  printf %s "$DATABASE_URL" | gcloud secrets versions add database-url --data-file=-
       and other secrets you use: ${join(", ", sort([for name in keys(local.topology.secrets) : lower(replace(name, "_", "-")) if name != "DATABASE_URL"]))}
    2. Deploy:  gcloud builds submit --region=${var.region} --service-account=${google_service_account.deployer.id} --substitutions=_ENVIRONMENT=dev,_ALERT_EMAIL=you@example.org
  TEXT
}
