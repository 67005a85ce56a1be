"""Terraform plans the whole system against Google's real schema; the plan keeps our rules, and no rule is idle."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sonicgen.settings import REPOSITORY
from tests.terraform import rules
from tests.terraform.rules import RULES, Rule
from tests.terraform.working_copy import CHECKER, SCHEMA, TOPOLOGY, Plan, PlanError, WorkingCopy

T = "infra/terraform/"
# For each rule a fault that it must find: the file, what stands there, and what a hurried hand makes of it.
MUTATIONS: tuple[tuple[Rule, str, str, str], ...] = (
    (
        rules.every_function_is_deployed,
        T + "functions.tf",
        "for_each = local.functions",
        "for_each = local.event_functions",
    ),
    (
        rules.every_published_topic_exists,
        str(TOPOLOGY),
        '"topic": "recording-fingerprinted", "publishes": ["transcript-ready"]',
        '"topic": "recording-fingerprinted", "publishes": []',
    ),
    (
        rules.only_the_doors_are_public,
        T + "locals.tf",
        "function.service if function.is_public",
        "function.service if function.topic != null",
    ),
    (
        rules.only_the_doors_are_public,
        T + "embedder.tf",
        "INGRESS_TRAFFIC_INTERNAL_ONLY",
        "INGRESS_TRAFFIC_ALL",
    ),
    (
        rules.every_subscription_has_dead_letters,
        T + "subscriptions.tf",
        """  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = local.topology.delivery.max_delivery_attempts
  }
""",
        "",
    ),
    (
        rules.every_subscription_has_dead_letters,
        T + "topics.tf",
        """  expiration_policy {
    ttl = ""
  }
""",
        "",
    ),
    (
        rules.secrets_are_granted_to_their_readers,
        T + "locals.tf",
        "for name in workload.secrets :",
        "for name in local.secrets_in_use :",
    ),
    (
        rules.secrets_are_granted_to_their_readers,
        T + "functions.tf",
        "for_each = local.workloads[each.value.account].secrets",
        "for_each = local.secrets_in_use",
    ),
    (rules.timeouts_fit_deadlines, str(TOPOLOGY), '"ack_deadline_seconds": 600', '"ack_deadline_seconds": 300'),
    (
        rules.everything_has_its_own_account,
        T + "functions.tf",
        "google_service_account.workload[each.value.account].email",
        'google_service_account.workload["fn-maintenance"].email',
    ),
    (
        rules.pushes_may_call_their_function_alone,
        T + "subscriptions.tf",
        "name     = google_cloudfunctions2_function.function[each.key].name",
        'name     = google_cloudfunctions2_function.function["maintenance"].name',
    ),
    (rules.nobody_has_a_role_on_the_project, T + "identities.tf", "roles/datastore.user", "roles/editor"),
    (
        rules.buckets_are_closed,
        T + "storage.tf",
        "uniform_bucket_level_access = true",
        "uniform_bucket_level_access = false",
    ),
    (rules.every_variable_is_a_setting, T + "locals.tf", "SONICGEN_LOG_LEVEL          =", "SONICGEN_LOGGING ="),
    (
        rules.what_costs_has_a_limit,
        T + "embedder.tf",
        "min_instance_count = 0",
        "min_instance_count = 1",
    ),
    (rules.every_alert_is_explained, T + "alerts.tf", '"dead-letters" = {', '"letters-that-died" = {'),
    (rules.every_ledger_expires, str(TOPOLOGY), '"progress": ["reported_at"],', ""),
    (
        rules.no_rising_time_is_indexed,
        T + "firestore.tf",
        "field      = each.value.field\n\n  index_config {}",
        "field      = each.value.field",
    ),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_plan_keeps_the_rule(production: Plan, copy: WorkingCopy, rule: Rule) -> None:
    assert list(rule(production, copy.topology())) == []


@pytest.mark.parametrize(("rule", "path", "old", "new"), MUTATIONS, ids=lambda each: getattr(each, "__name__", ""))
def test_the_rule_finds_its_fault(copy: WorkingCopy, rule: Rule, path: str, old: str, new: str) -> None:
    copy.change(path, old, new)
    assert list(rule(copy.plan(), copy.topology()))


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert {rule for rule, *_ in MUTATIONS} == set(RULES)


def test_a_small_project_without_a_gpu_is_planned_too(copy: WorkingCopy) -> None:
    plan = copy.plan(environment="dev", embedder_enabled=False, billing_account=None)
    assert [rule.__name__ for rule in RULES for _ in rule(plan, copy.topology())] == []
    assert not [r.address for r in plan.resources if "embedder" in r.address or "vpc" in r.address]


def test_what_to_do_next_follows_from_what_is_missing(production: Plan, copy: WorkingCopy) -> None:
    assert "gpu" not in production.outputs["next"].lower()
    small = copy.plan(environment="dev", embedder_enabled=False, billing_account=None)
    for missing in ("assemblyai-api-key", "youtube-api-key", "L4 GPUs", "billing_account"):
        assert missing in small.outputs["next"]


def test_a_new_console_waits_for_its_traffic(production: Plan, copy: WorkingCopy) -> None:
    serving = "console-0123456789"
    (service,) = copy.plan(console_serving_revision=serving).of("google_cloud_run_v2_service", "console")
    assert [(t["revision"], t["percent"]) for t in service.values["traffic"]] == [
        (serving, 100),
        (production.outputs["console_revision"], 0),
    ]


def test_a_function_needs_its_bundle(copy: WorkingCopy) -> None:
    with pytest.raises(PlanError, match="tools/build_bundles"):
        copy.plan(bundles={"maintenance": "functions/maintenance-0.zip"})


def test_an_image_is_named_by_its_digest(copy: WorkingCopy) -> None:
    with pytest.raises(PlanError, match="digest"):
        copy.plan(images={"console": "host/console:latest", "jobs": "host/jobs:latest", "gpu-embedder": "x"})


def test_terraform_itself_refuses_what_is_wrong(copy: WorkingCopy) -> None:
    copy.change(T + "scheduler.tf", "topic_name =", "topic =")
    with pytest.raises(PlanError, match="topic"):
        copy.plan()


def test_what_comes_first_is_planned(copy: WorkingCopy) -> None:
    plan = copy.plan("bootstrap", github_repository="owner/name")
    secrets = {secret.values["secret_id"] for secret in plan.of("google_secret_manager_secret")}
    assert secrets == {name.lower().replace("_", "-") for name in copy.topology()["secrets"]}
    readers = {
        (grant.values["member"].split("@")[0].split(":")[1], grant.values["secret_id"].rsplit("/", 1)[-1])
        for grant in plan.of("google_secret_manager_secret_iam_member")
    }
    assert readers == {("deployer", "database-url")}
    roles = {grant.values["role"] for grant in plan.of("google_project_iam_member")}
    assert not roles & {
        "roles/owner",
        "roles/editor",
        "roles/secretmanager.admin",
        "roles/secretmanager.secretAccessor",
    }


@pytest.mark.parametrize("module", ["terraform", "bootstrap"])
def test_the_schema_checker_finds_nothing(module: str) -> None:
    if not CHECKER.exists():
        pytest.skip("the checker is not beside this project (../shared/tools)")
    command = [sys.executable, str(CHECKER), str(SCHEMA), str(REPOSITORY / "infra" / module)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].endswith(" 0 problems")


def test_the_files_are_formatted(tmp_path: Path) -> None:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    command = ["terraform", "fmt", "-check", "-recursive", "-list=true", str(REPOSITORY / "infra")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
