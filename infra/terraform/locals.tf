# Every name comes from the file that the package itself reads: a function cannot be in one and not in the other.
locals {
  topology = jsondecode(file("${path.module}/../../shared/src/sonicgen/topology.json"))

  labels = {
    application = "sonicgen"
    environment = var.environment
    release     = var.release
  }

  # Names that bootstrap made.
  source_bucket = "${var.project_id}-source"
  registry      = "${var.region}-docker.pkg.dev/${var.project_id}/sonicgen"

  functions = {
    for name, entry in local.topology.functions : name => {
      service         = replace(name, "_", "-")
      account         = "fn-${replace(name, "_", "-")}"
      topic           = try(entry.topic, null)
      is_public       = try(entry.public, false)
      is_compiled     = try(entry.compiled, false)
      calls           = try(entry.calls, [])
      memory_mib      = entry.memory_mib
      cpu             = entry.cpu
      concurrency     = entry.concurrency
      timeout_seconds = entry.timeout_seconds
      max_instances   = lookup(var.max_instances, name, entry.max_instances)
    }
  }
  event_functions = { for name, function in local.functions : name => function if function.topic != null }
  public_services = toset(concat(
    [for function in local.functions : function.service if function.is_public],
    [for name, entry in local.topology.containers : name if entry.public],
  ))

  jobs = local.topology.jobs
  containers = {
    for name, entry in local.topology.containers : name => merge(entry, {
      max_instances = lookup(var.max_instances, name, entry.max_instances)
    }) if name != "gpu-embedder" || var.embedder_enabled
  }

  # Whatever runs, by the name of its account: what it may do, and which settings it reads.
  entries = merge(
    { for name, entry in local.topology.functions : "fn-${replace(name, "_", "-")}" => entry },
    { for name, entry in local.topology.jobs : "job-${name}" => entry },
    { for name, entry in local.topology.containers : "run-${name}" => entry if contains(keys(local.containers), name) },
  )
  workloads = {
    for account, entry in local.entries : account => {
      publishes          = toset(entry.publishes)
      buckets            = { for key, access in entry.buckets : key => access }
      writes_documents   = entry.documents
      pulls_dead_letters = try(entry.pulls_dead_letters, false)
      starts_jobs        = toset(try(entry.starts_jobs, []))
      calls              = toset([for name in try(entry.calls, []) : name if contains(keys(local.containers), name)])
      secrets            = toset([for name in entry.secrets : name if contains(local.secrets_in_use, name)])
      settings           = toset(flatten([for group in entry.settings : local.topology.settings[group]]))
      is_compiled        = try(entry.compiled, false)
    }
  }
}

# Grants, one entry each, so that a plan shows every one that comes or goes.
locals {
  publish_grants = merge([
    for account, workload in local.workloads : {
      for topic in workload.publishes : "${account}/${topic}" => { account = account, topic = topic }
    }
  ]...)
  bucket_grants = merge([
    for account, workload in local.workloads : {
      for key, access in workload.buckets : "${account}/${key}" => { account = account, bucket = key, access = access }
    }
  ]...)
  secret_grants = merge([
    for account, workload in local.workloads : {
      for name in workload.secrets : "${account}/${name}" => { account = account, secret = local.secret_ids[name] }
    }
  ]...)
  call_grants = merge([
    for account, workload in local.workloads : {
      for name in workload.calls : "${account}/${name}" => { account = account, service = name }
    }
  ]...)
  job_grants = merge([
    for account, workload in local.workloads : {
      for name in workload.starts_jobs : "${account}/${name}" => { account = account, job = name }
    }
  ]...)
}

locals {
  secret_ids     = { for name in keys(local.topology.secrets) : name => lower(replace(name, "_", "-")) }
  secrets_in_use = setunion(var.secrets_in_use, [for name, secret in local.topology.secrets : name if secret.required])

  # The addresses of functions on cloudfunctions.net follow from their names, so that no function waits for another.
  function_urls = {
    for name, function in local.functions :
    name => "https://${var.region}-${var.project_id}.cloudfunctions.net/${function.service}"
  }
  settings = merge(var.settings, {
    SONICGEN_WEBHOOK_URL         = local.function_urls["transcription_webhook"]
    SONICGEN_WEBSUB_CALLBACK_URL = local.function_urls["websub_callback"]
    SONICGEN_DOWNLOAD_JOB        = "video-download"
    # Google's front end writes the caller's address last; what came before it anybody may have written.
    SONICGEN_TRUSTED_PROXIES = "1"
  })
  embedder_url = try(google_cloud_run_v2_service.embedder[0].uri, null)
  environment = {
    for account, workload in local.workloads : account => merge(
      local.own_environment[account],
      length(workload.calls) > 0 ? { SONICGEN_EMBEDDER_URL = local.embedder_url } : {},
    )
  }
  # Without the embedder's address, which the embedder itself would wait for.
  own_environment = {
    for account, workload in local.workloads : account => merge(
      {
        GOOGLE_CLOUD_PROJECT        = var.project_id
        SONICGEN_LOCATION           = var.region
        SONICGEN_LOG_LEVEL          = lookup(var.settings, "SONICGEN_LOG_LEVEL", "INFO")
        SONICGEN_SECRETS_GENERATION = tostring(var.secrets_generation)
      },
      { for key, bucket in local.topology.buckets : bucket.setting => google_storage_bucket.audio[key].name },
      { for name in workload.settings : name => local.settings[name] if contains(keys(local.settings), name) },
      workload.is_compiled ? { SONICGEN_COMPILED = "compiled" } : {},
    )
  }
}
