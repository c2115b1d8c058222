"""Least privilege, measured: each function uses every action it is granted, and no other. The local environment enforces IAM."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bench.harness import copy_project
from chalicelib.bot.assembly import SETTINGS_FILE
from tests.support.observed import ASKING, IN_FOLDERS, QUEUE, SERVICES, TRIGGERS, ObservedEnvironment
from tests.support.observed_runs import (
    backlogs,
    console,
    counts,
    feedback,
    links,
    monitors_and_tasks,
    on_demand_functions,
    schedules,
    uploads_and_receipts,
    uploads_with_questions,
)
from workbench.deployment.grants import Grant, Grants, StageLocation, policies
from workbench.local.environment import LocalEnvironment
from workbench.local.ministack import ACCOUNT, REGION
from workbench.local.proxy.proxy import Proxy
from workbench.local.strict.http_requests import check_requests
from workbench.ports import free_port


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedEnvironment]:
    port = free_port()
    with ExitStack() as stack:
        proxies = {service: stack.enter_context(Proxy(f"http://127.0.0.1:{port}")) for service in SERVICES.values()}
        urls = {f"AWS_ENDPOINT_URL_{name}": proxies[service].url for name, service in SERVICES.items()}
        environment = {**urls, "UPLOAD_QUEUE": QUEUE}
        # The shipped settings, but a message for each event: a bundled one uses fewer actions
        settings = re.sub(
            r'^name = "(uploads|invoices|rejected orders)"$', r'\g<0>\nthen = "off"', SETTINGS_FILE.read_text(), flags=re.M
        )
        settings += TRIGGERS + ASKING
        for name in ("asha", "ben"):  # a budget per hour would stop the backlog
            settings = settings.replace(f"[people.{name}]", f'[people.{name}]\nbudget = "200 segments per day"')
        project, state = copy_project(tmp_path_factory.mktemp("copy"), settings), tmp_path_factory.mktemp("state")
        local = LocalEnvironment(port=port, server_port=0, project=project, state=state, environment=environment)
        env = ObservedEnvironment(stack.enter_context(local), proxies, project)
        env.make_check_due()
        yield env


@pytest.fixture(scope="module")
def used_env(env: ObservedEnvironment) -> ObservedEnvironment:
    """After everything that the functions do."""
    uploads_and_receipts(env)
    uploads_with_questions(env)
    on_demand_functions(env)
    monitors_and_tasks(env)
    backlogs(env)
    schedules(env)
    feedback(env)
    counts(env)
    console(env)
    links(env)
    return env


def test_aws_would_accept_every_request_of_the_deployed_functions(used_env: ObservedEnvironment) -> None:
    """Their clients validate nothing, and the emulator accepts more than AWS does."""
    requests_ = [request for proxy in used_env.proxies.values() for request in proxy.requests()]
    checked, problems = check_requests(requests_)
    assert not problems
    assert checked.total() == len(requests_)
    assert {operation.partition(" ")[0] for operation in checked} == {
        "cloudwatch",
        "dynamodb",
        "lambda",
        "s3",
        "sesv2",
        "sqs",
        "ssm",
    }


def test_each_function_uses_every_action_it_is_granted(used_env: ObservedEnvironment) -> None:
    """An action that is not granted would have failed: the local environment authorizes each call."""
    env = used_env
    used = env.used_actions()
    for function, grants in granted(env).items():
        actions = {action for grant in grants if grant.by == "function" for action in grant.actions}
        assert actions == used[function], function


def test_actions_that_lambda_uses_for_a_function_are_configured(env: ObservedEnvironment) -> None:
    """Lambda's own calls do not pass through our proxies, but the configuration that causes them is visible."""
    client = env.local.ministack.client("lambda")
    for function, grants in granted(env).items():
        name = "dropnote-local" + ("" if function == "api_handler" else f"-{function}")
        for grant in (grant for grant in grants if grant.by == "lambda"):
            if "sqs:SendMessage" in grant.actions:
                config = client.get_function_event_invoke_config(FunctionName=name)
                assert [config["DestinationConfig"]["OnFailure"]["Destination"]] == list(grant.resources)
            else:
                mappings = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
                assert [mapping["EventSourceArn"] for mapping in mappings] == list(grant.resources)


def test_every_function_has_its_own_role_and_policy(env: ObservedEnvironment) -> None:
    functions, iam = env.local.ministack.client("lambda"), env.local.ministack.client("iam")
    roles = {}
    for function, policy in policies(env.settings, env.variables, StageLocation("local", ACCOUNT, REGION)).items():
        name = "dropnote-local" + ("" if function == "api_handler" else f"-{function}")
        roles[function] = functions.get_function_configuration(FunctionName=name)["Role"].rpartition("/")[2]
        (only,) = iam.list_role_policies(RoleName=roles[function])["PolicyNames"]
        document = iam.get_role_policy(RoleName=roles[function], PolicyName=only)["PolicyDocument"]
        assert document == policy, function
    assert len(set(roles.values())) == len(roles)
    deployed = {function["FunctionName"] for function in functions.list_functions()["Functions"]}
    assert len(deployed) == len(roles)


def granted(env: ObservedEnvironment) -> dict[str, list[Grant]]:
    return Grants(env.settings, env.variables, StageLocation("local", ACCOUNT, REGION)).by_function()


def test_no_policy_has_a_wildcard_for_actions_or_nameable_resources(env: ObservedEnvironment) -> None:
    place = StageLocation("local", ACCOUNT, REGION)
    for name, policy in policies(env.settings, env.variables, place).items():
        for statement in policy["Statement"]:
            assert not any("*" in action for action in statement["Action"]), name
            if (
                statement["Action"] not in (["ses:GetAccount"], ["cloudwatch:GetMetricData"])
                and statement["Sid"] not in IN_FOLDERS
            ):
                assert not any("*" in resource for resource in statement["Resource"]), name
