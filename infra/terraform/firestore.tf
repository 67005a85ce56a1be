# Operational state: the event ledger, pauses, progress. What it loses is found again in Postgres and the buckets.
resource "google_firestore_database" "this" {
  name                              = "(default)"
  location_id                       = var.storage_location
  type                              = "FIRESTORE_NATIVE"
  concurrency_mode                  = "OPTIMISTIC"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_DISABLED"
  delete_protection_state           = var.deletion_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = var.deletion_protection ? "ABANDON" : "DELETE"
}

# Firestore removes expired documents about a day late; the code checks `expires_at` itself.
resource "google_firestore_field" "expiry" {
  for_each = toset(keys(local.topology.expiring_collections))

  database   = google_firestore_database.this.name
  collection = each.value
  field      = "expires_at"

  ttl_config {}
  # Never asked for by it: an index would only cost writes, and times in sequence would lie in one spot of it.
  index_config {}
}

# The same of their other times. A collection with an index on values that rise takes 500 writes a second (docs/scale.md).
resource "google_firestore_field" "time" {
  for_each = merge([
    for collection, fields in local.topology.expiring_collections :
    { for field in fields : "${collection}.${field}" => { collection = collection, field = field } }
  ]...)

  database   = google_firestore_database.this.name
  collection = each.value.collection
  field      = each.value.field

  index_config {}
}
