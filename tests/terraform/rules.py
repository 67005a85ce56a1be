"""What must hold of every plan. Each rule returns the sentences that say what is wrong; none when all is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sonicgen.settings import REPOSITORY, Settings
from tests.terraform.published import topics_of
from tests.terraform.working_copy import Plan, Resource

Topology = dict[str, Any]
Rule = Callable[[Plan, Topology], Iterator[str]]

# Anybody may call these and nothing else; each checks its caller itself.
DOORS = {"console", "transcription-webhook", "websub-callback"}
# Imported for a name or a helper; what is published there is never reached from here.
NEVER_REACHED = {
    account: {"recording-fingerprinted"} for account in ("fn-video-download", "job-video-download", "run-console")
}
# What workloads are told beside the settings.
_PLATFORM_VARIABLES = {"MALLOC_ARENA_MAX", "THREADS", "SONICGEN_SECRETS_GENERATION", "SONICGEN_COMPILED"}
_ACK_DEADLINE_LIMIT_SECONDS = 600
_SUBSCRIPTION = "google_pubsub_subscription"


def every_function_is_deployed(plan: Plan, topology: Topology) -> Iterator[str]:
    """A folder in functions/ is a function in the cloud, and nothing else is."""
    folders = {path.parent.name for path in (REPOSITORY / "functions").glob("*/main.py")}
    deployed = {str(function.index) for function in plan.of("google_cloudfunctions2_function")}
    yield from (f"functions/{name} is not deployed" for name in folders - deployed)
    yield from (f"{name} has no folder in functions/" for name in deployed - folders)


def every_published_topic_exists(plan: Plan, topology: Topology) -> Iterator[str]:
    """A topic that code publishes to exists, and its publisher may publish there."""
    topics = {topic.values["name"] for topic in plan.of("google_pubsub_topic")}
    granted = {
        (grant.values["member"].split(":")[1].split("@")[0], grant.values["topic"].rsplit("/", 1)[1])
        for grant in plan.of("google_pubsub_topic_iam_member", "publisher")
    }
    for account, entry in _entries(topology).items():
        if not entry.exists():  # which another rule says
            continue
        needed = topics_of(entry) - NEVER_REACHED.get(account, set())
        yield from (f"{account} publishes to {topic}, which is not there" for topic in needed - topics)
        allowed = {topic for who, topic in granted if who == account}
        yield from (f"{account} may not publish to {topic}" for topic in needed - allowed)
        yield from (f"{account} may publish to {topic} and never does" for topic in allowed - needed)


def _entries(topology: Topology) -> dict[str, Path]:
    """Return where the code of each account begins; the embedder publishes nothing and has no entry here."""
    package = REPOSITORY / "shared" / "src"
    functions = {f"fn-{n.replace('_', '-')}": REPOSITORY / "functions" / n / "main.py" for n in topology["functions"]}
    jobs = {f"job-{n}": package / f"{job['module'].replace('.', '/')}.py" for n, job in topology["jobs"].items()}
    return functions | jobs | {"run-console": package / "sonicgen" / "console" / "app.py"}


def only_the_doors_are_public(plan: Plan, topology: Topology) -> Iterator[str]:
    """Nobody without an account gets in but through the console and the callbacks."""
    for resource in plan.resources:
        members = [resource.values.get("member"), *(resource.values.get("members") or [])]
        if {"allUsers", "allAuthenticatedUsers"} & set(members):
            what = resource.values.get("name")
            if what not in DOORS or resource.values.get("role") != "roles/run.invoker":
                yield f"{resource.address} lets anybody in"
    for service in plan.of("google_cloud_run_v2_service"):
        if service.values["name"] not in DOORS and service.values["ingress"] != "INGRESS_TRAFFIC_INTERNAL_ONLY":
            yield f"{service.address} can be reached from outside"
    for function in plan.of("google_cloudfunctions2_function"):
        ingress = function.values["service_config"][0]["ingress_settings"]
        if function.values["name"] not in DOORS and ingress != "ALLOW_INTERNAL_ONLY":
            yield f"{function.address} can be reached from outside"


def every_subscription_has_dead_letters(plan: Plan, topology: Topology) -> Iterator[str]:
    """What fails too often is kept, for ever, where an alert looks."""
    hold = topology["dead_letters"]["subscription"]
    agents = {grant.index for grant in plan.of("google_pubsub_subscription_iam_member", "dead_letters")}
    for subscription in plan.of(_SUBSCRIPTION):
        values = subscription.values
        if not values["expiration_policy"] or values["expiration_policy"][0]["ttl"] != "":
            yield f"{subscription.address} would vanish when nothing comes for a month"
        if values["name"] == hold:
            continue
        policy = values["dead_letter_policy"]
        if not policy or not str(policy[0]["dead_letter_topic"]).endswith(f"/{topology['dead_letters']['topic']}"):
            yield f"{subscription.address} loses what fails"
        if subscription.index not in agents:
            yield f"Pub/Sub may not move dead letters out of {subscription.address}"
    if not plan.of("google_pubsub_topic_iam_member", "dead_letters"):
        yield "Pub/Sub may not publish dead letters"
    if hold not in {s.values["name"] for s in plan.of(_SUBSCRIPTION)}:
        yield "nothing holds the dead letters"


def secrets_are_granted_to_their_readers(plan: Plan, topology: Topology) -> Iterator[str]:
    """An account may read exactly the secrets that its workload is given, and these are the ones it declares."""
    granted: dict[str, set[str]] = {}
    for grant in plan.of("google_secret_manager_secret_iam_member"):
        account = grant.values["member"].removeprefix("serviceAccount:")
        granted.setdefault(account, set()).add(grant.values["secret_id"].rsplit("/", 1)[-1])
    declared = _declared_secrets(topology)
    for workload, account, secrets in _secrets_read(plan):
        yield from (f"{workload} cannot read {name}" for name in secrets - granted.get(account, set()))
        yield from (
            f"{workload} may read {name}, which it does not use" for name in granted.pop(account, set()) - secrets
        )
        yield from (f"{workload} is given {name} undeclared" for name in secrets - declared[account.split("@")[0]])
        needed = declared[account.split("@")[0]] & {"database-url"}
        yield from (f"{workload} is not given {name}" for name in needed - secrets)
    yield from (f"{account} may read secrets and is nobody's" for account in granted)


def _declared_secrets(topology: Topology) -> dict[str, set[str]]:
    kinds = {"functions": "fn", "containers": "run", "jobs": "job"}
    return {
        f"{prefix}-{name.replace('_', '-')}": {secret.lower().replace("_", "-") for secret in entry["secrets"]}
        for kind, prefix in kinds.items()
        for name, entry in topology[kind].items()
    }


def _secrets_read(plan: Plan) -> Iterator[tuple[str, str, set[str]]]:
    for function in plan.of("google_cloudfunctions2_function"):
        config = function.values["service_config"][0]
        secrets = {each["secret"] for each in config["secret_environment_variables"]}
        yield function.address, config["service_account_email"], secrets
    for resource, template in _templates(plan):
        sources = [env["value_source"] for env in template["containers"][0]["env"] if env["value_source"]]
        yield resource.address, template["service_account"], {s[0]["secret_key_ref"][0]["secret"] for s in sources}


def _templates(plan: Plan) -> Iterator[tuple[Resource, dict[str, Any]]]:
    for service in plan.of("google_cloud_run_v2_service"):
        yield service, service.values["template"][0]
    for job in plan.of("google_cloud_run_v2_job"):
        yield job, job.values["template"][0]["template"][0]


def timeouts_fit_deadlines(plan: Plan, topology: Topology) -> Iterator[str]:
    """A message does not come again while its first delivery may still be worked on, and work ends before it is cut."""
    timeouts = {
        function.values["name"]: function.values["service_config"][0]["timeout_seconds"]
        for function in plan.of("google_cloudfunctions2_function")
    }
    for subscription in plan.of(_SUBSCRIPTION, "push"):
        deadline = subscription.values["ack_deadline_seconds"]
        if deadline > _ACK_DEADLINE_LIMIT_SECONDS:
            yield f"{subscription.address} asks for {deadline} s; Pub/Sub gives {_ACK_DEADLINE_LIMIT_SECONDS}"
        if timeouts[subscription.values["name"]] >= deadline:
            yield f"{subscription.address} delivers again while the first may still be worked on"
    fields = Settings.model_fields
    if fields["download_seconds"].default >= timeouts.get("video-download", 0):
        yield "a download is cut by its function's timeout"
    for job in plan.of("google_cloud_run_v2_job"):
        seconds = int(job.values["template"][0]["template"][0]["timeout"].removesuffix("s"))
        if job.values["name"] == "video-download" and fields["download_job_seconds"].default >= seconds:
            yield "a long download is cut by its job's timeout"


def everything_has_its_own_account(plan: Plan, topology: Topology) -> Iterator[str]:
    """No two share an account, nobody uses the platform's default one, and no account has a key."""
    accounts = Counter(account for _, account, _ in _secrets_read(plan))
    for subscription in plan.of(_SUBSCRIPTION, "push"):
        accounts[subscription.values["push_config"][0]["oidc_token"][0]["service_account_email"]] += 1
    ours = {account.values["email"] for account in plan.of("google_service_account")}
    yield from (f"{account} is shared" for account, count in accounts.items() if count > 1)
    yield from (f"{account} is not made here" for account in accounts if account not in ours)
    yield from (f"{account} belongs to nobody" for account in ours - set(accounts))
    yield from (f"{key.address} is a key" for key in plan.of("google_service_account_key"))


def pushes_may_call_their_function_alone(plan: Plan, topology: Topology) -> Iterator[str]:
    """A subscription's account may call the one function that it pushes to, and proves itself to that one."""
    invokers = {
        grant.values["name"]: grant.values["member"]
        for grant in plan.of("google_cloud_run_v2_service_iam_member", "push")
    }
    addresses = {
        function.values["name"]: function.values["service_config"][0]["uri"]
        for function in plan.of("google_cloudfunctions2_function")
    }
    for subscription in plan.of(_SUBSCRIPTION, "push"):
        name, push = subscription.values["name"], subscription.values["push_config"][0]
        token = push["oidc_token"][0] if push["oidc_token"] else {}
        if invokers.get(name) != f"serviceAccount:{token.get('service_account_email')}":
            yield f"{subscription.address} is not let in by its function"
        if token.get("audience") != addresses[name] or not push["push_endpoint"].startswith(f"{addresses[name]}/"):
            yield f"{subscription.address} goes to another address than its function's"


def nobody_has_a_role_on_the_project(plan: Plan, topology: Topology) -> Iterator[str]:
    """Roles are given on the one thing they are for; Firestore alone has none that is narrower than the project."""
    for grant in plan.of("google_project_iam_member"):
        if grant.values["role"] != "roles/datastore.user":
            yield f"{grant.address} gives {grant.values['role']} on the whole project"
    for type_ in ("google_project_iam_binding", "google_project_iam_policy"):
        yield from (f"{each.address} takes roles from others" for each in plan.of(type_))


def buckets_are_closed(plan: Plan, topology: Topology) -> Iterator[str]:
    """One kind of access rule, none of them public, and every new object is announced."""
    for bucket in plan.of("google_storage_bucket"):
        if not bucket.values["uniform_bucket_level_access"]:
            yield f"{bucket.address} has rules for single objects"
        if bucket.values["public_access_prevention"] != "enforced":
            yield f"{bucket.address} may become public"
        if not bucket.values["lifecycle_rule"]:
            yield f"{bucket.address} keeps everything as it came"
    announced = {n.index for n in plan.of("google_storage_notification") if n.values["payload_format"] == "JSON_API_V1"}
    yield from (f"the bucket {name} announces nothing" for name in set(topology["buckets"]) - announced)


def every_variable_is_a_setting(plan: Plan, topology: Topology) -> Iterator[str]:
    """What a workload is told has a name that the code reads."""
    known = {field.alias for field in Settings.model_fields.values()} | _PLATFORM_VARIABLES
    for function in plan.of("google_cloudfunctions2_function"):
        config = function.values["service_config"][0]
        told = {*config["environment_variables"], *(each["key"] for each in config["secret_environment_variables"])}
        yield from (f"{function.address} is told {name}, which nobody reads" for name in told - known)
    for resource, template in _templates(plan):
        told = {env["name"] for env in template["containers"][0]["env"]}
        yield from (f"{resource.address} is told {name}, which nobody reads" for name in told - known)


def what_costs_has_a_limit(plan: Plan, topology: Topology) -> Iterator[str]:
    """Everything that scales has a most, and what has a GPU goes down to none."""
    for function in plan.of("google_cloudfunctions2_function"):
        if not function.values["service_config"][0]["max_instance_count"]:
            yield f"{function.address} has no most"
    for service in plan.of("google_cloud_run_v2_service"):
        template = service.values["template"][0]
        if not template["scaling"] or not template["scaling"][0]["max_instance_count"]:
            yield f"{service.address} has no most"
        elif template["node_selector"] and template["scaling"][0]["min_instance_count"]:
            yield f"{service.address} pays for a GPU that nobody uses"
    for service in plan.of("google_cloud_run_v2_service"):
        if sum(target["percent"] or 0 for target in service.values["traffic"]) != 100:
            yield f"{service.address} does not say where all of its traffic goes"


def every_alert_is_explained(plan: Plan, topology: Topology) -> Iterator[str]:
    """An alert tells somebody, and the operator's guide has a heading of its name."""
    guide = (REPOSITORY / "docs" / "operate.md").read_text()
    headings = {line.lstrip("# ").strip() for line in guide.splitlines() if line.startswith("### ")}
    for alert in plan.of("google_monitoring_alert_policy"):
        name = alert.values["display_name"].split(": ")[1]
        if name not in headings:
            yield f"docs/operate.md does not explain {name}"
        if not alert.values["notification_channels"]:
            yield f"{alert.address} tells nobody"


def every_ledger_expires(plan: Plan, topology: Topology) -> Iterator[str]:
    """Every collection of operational state is cleared by Firestore."""
    from sonicgen.cloud import cooldowns, documents, once

    used = {cooldowns.COLLECTION, documents.PROGRESS_COLLECTION, once.LEDGER_COLLECTION}
    cleared = {field.values["collection"] for field in plan.of("google_firestore_field") if field.values["ttl_config"]}
    yield from (f"the collection {name} grows for ever" for name in used - cleared)
    yield from (f"the collection {name} is cleared and nobody writes it" for name in cleared - used)


def no_rising_time_is_indexed(plan: Plan, topology: Topology) -> Iterator[str]:
    """No time that the ledger and its like write has an index (tests/unit/cloud/test_times.py: those are all)."""
    without = {
        (field.values["collection"], field.values["field"])
        for field in plan.of("google_firestore_field")
        if field.values["index_config"] == [{"indexes": []}]
    }
    for collection, fields in topology["expiring_collections"].items():
        for field in ("expires_at", *fields):
            if (collection, field) not in without:
                yield f"{collection}.{field} has an index"


RULES: tuple[Rule, ...] = (
    every_function_is_deployed,
    every_published_topic_exists,
    only_the_doors_are_public,
    every_subscription_has_dead_letters,
    secrets_are_granted_to_their_readers,
    timeouts_fit_deadlines,
    everything_has_its_own_account,
    pushes_may_call_their_function_alone,
    nobody_has_a_role_on_the_project,
    buckets_are_closed,
    every_variable_is_a_setting,
    what_costs_has_a_limit,
    every_alert_is_explained,
    every_ledger_expires,
    no_rising_time_is_indexed,
)
