variable "project_id" {
  description = "The project; one for each environment."
  type        = string
}

variable "environment" {
  description = "Its name, for labels and titles."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "The environment is dev or prod."
  }
}

variable "region" {
  description = "Where everything runs; one with L4 GPUs when the embedder is enabled."
  type        = string
  default     = "us-central1"
}

variable "storage_location" {
  description = "Where the buckets and Firestore lie: the region, or a multi-region of it for more durability at more cost."
  type        = string
  default     = "us-central1"
}

variable "bundles" {
  description = "The bundle of each function in the source bucket, by the function's name; written by tools/build_bundles.py."
  type        = map(string)
}

variable "images" {
  description = "The image of each container and of the jobs, by digest: console, gpu-embedder, jobs."
  type        = map(string)

  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("@sha256:[0-9a-f]{64}$", image))])
    error_message = "Every image is named by its digest, NAME@sha256:…, so that what was tested is what runs."
  }
}

variable "release" {
  description = "What is being deployed: the commit, for labels."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9_-]{1,63}$", var.release))
    error_message = "The release becomes a label: at most 63 of a-z, 0-9, _ and -."
  }
}

variable "console_serving_revision" {
  description = "The console's revision that keeps the traffic while a new one is tested; null sends all to the new one."
  type        = string
  default     = null
}

variable "secrets_in_use" {
  description = "Which optional secrets have a version: names of topology.json. The required ones are always used."
  type        = set(string)
  default     = []

  validation {
    condition = length(setsubtract(
      var.secrets_in_use, keys(jsondecode(file("${path.module}/../../shared/src/sonicgen/topology.json")).secrets)
    )) == 0
    error_message = "secrets_in_use names a secret that shared/src/sonicgen/topology.json does not have."
  }
}

variable "secrets_generation" {
  description = "Raise it after a rotation: every workload starts anew and reads the latest versions."
  type        = number
  default     = 1
}

variable "settings" {
  description = "Settings of .env.example by name, for the workloads that read them; secrets and names of buckets are set apart."
  type        = map(string)
  default     = {}
}

variable "archive_buckets" {
  description = "Buckets outside this system whose objects `sonicgen backfill` brings in, and everything else then reads."
  type        = list(string)
  default     = []
}

variable "max_instances" {
  description = "Instances at most, by the name of a function or container, in place of topology.json's."
  type        = map(number)
  default     = {}
}

variable "console_min_instances" {
  description = "Consoles that are kept warm; 0 scales to zero."
  type        = number
  default     = 0
}

variable "embedder_enabled" {
  description = "Whether the GPU container is deployed; it needs a quota for L4 GPUs."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "Whether buckets with data, Firestore and the console refuse to be destroyed."
  type        = bool
  default     = true
}

variable "alert_email" {
  description = "Who is told when something is wrong."
  type        = string
}

variable "billing_account" {
  description = "The billing account, for the budget; null makes none."
  type        = string
  default     = null
}

variable "monthly_budget" {
  description = "What a month may cost, in whole units of the billing account's currency."
  type        = number
  default     = 100
}
