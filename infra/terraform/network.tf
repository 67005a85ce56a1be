# Cloud Run takes a call for internal when it comes through a network of the project. run.app is answered with Google's
# private addresses there, so that only these calls take that way and everything else leaves directly, without a NAT.
resource "google_compute_network" "this" {
  count = var.embedder_enabled ? 1 : 0

  name                    = "sonicgen"
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "this" {
  count = var.embedder_enabled ? 1 : 0

  name                     = "sonicgen"
  network                  = google_compute_network.this[0].id
  region                   = var.region
  ip_cidr_range            = "10.8.0.0/24"
  private_ip_google_access = true
}

# Functions of the second generation cannot use the subnetwork directly in this provider's version.
resource "google_vpc_access_connector" "this" {
  count = var.embedder_enabled ? 1 : 0

  name          = "sonicgen"
  region        = var.region
  network       = google_compute_network.this[0].name
  ip_cidr_range = "10.8.1.0/28"
  machine_type  = "e2-micro"
  min_instances = 2
  max_instances = 3
}

resource "google_dns_managed_zone" "run" {
  count = var.embedder_enabled ? 1 : 0

  name       = "run-app"
  dns_name   = "run.app."
  visibility = "private"

  private_visibility_config {
    networks {
      network_url = google_compute_network.this[0].id
    }
  }
}

resource "google_dns_record_set" "run" {
  for_each = var.embedder_enabled ? {
    "run.app."   = { type = "A", rrdatas = ["199.36.153.8", "199.36.153.9", "199.36.153.10", "199.36.153.11"] }
    "*.run.app." = { type = "CNAME", rrdatas = ["run.app."] }
  } : {}

  managed_zone = google_dns_managed_zone.run[0].name
  name         = each.key
  type         = each.value.type
  ttl          = 300
  rrdatas      = each.value.rrdatas
}
