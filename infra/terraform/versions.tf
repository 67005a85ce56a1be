terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }

  # The bucket is named at init: terraform init -backend-config=bucket=PROJECT-terraform
  backend "gcs" {
    prefix = "sonicgen"
  }
}

provider "google" {
  project               = var.project_id
  region                = var.region
  user_project_override = true
  billing_project       = var.project_id
  default_labels        = local.labels
}

data "google_project" "this" {
  project_id = var.project_id
}
