"""Describes events of containers, jobs, workflows, pipelines and builds.

Their fields are documented on the page that chalicelib/settings/kinds/bus_rules.py names for each ready-made event. A describer
returns None if the event is not as its page documents it; the event is then described like any other.
"""

from collections.abc import Callable, Mapping

from .service_phrases import Description, EventFields, is_failure, last_segment, readable, url_quote, with_reason


def _task(event: EventFields) -> Description | None:
    task, status = last_segment(event.text("taskArn")), event.text("lastStatus")
    if not (task and status):
        return None
    name = event.text("group").partition(":")[2] or event.text("taskDefinitionArn").rpartition("/")[2] or task
    stopped, cluster = status == "STOPPED", last_segment(event.text("clusterArn"))
    why, code = _why_stopped(event)
    says = with_reason(status.lower(), why) + (f" (exit {code})" if code else "")
    facts = {"Cluster": cluster, "Task": task, "Stop code": event.text("stopCode"), "Reason": event.text("stoppedReason")}
    page = f"ecs/v2/clusters/{url_quote(cluster)}/tasks/{url_quote(task)}?region={event.region}"
    is_problem = stopped and (code not in ("", "0") or event.text("stopCode") == "TaskFailedToStart")
    return Description(f"task {name}", says, facts, page, is_problem)


def _why_stopped(event: EventFields) -> tuple[str, str]:
    """Why a task stopped and its exit code: those of its first failed container, else the task's own reason."""
    containers = event.detail.get("containers")
    for container in containers if isinstance(containers, list) else ():
        code = container.get("exitCode") if isinstance(container, Mapping) else None
        reason = container.get("reason", "") if isinstance(container, Mapping) else ""
        if code or reason:
            short = str(reason).partition(":")[0] or event.text("stoppedReason")
            return short, "" if code is None else str(code)
    return event.text("stoppedReason"), ""


def _deployment(event: EventFields) -> Description | None:
    name = event.text("eventName")
    if not (name and event.resources):
        return None
    arn = event.resources[0]
    service, cluster = last_segment(arn), arn.split("/")[-2] if arn.count("/") > 1 else ""
    says = with_reason(f"deployment {readable(name.removeprefix('SERVICE_DEPLOYMENT_'))}", event.text("reason"))
    page = f"ecs/v2/clusters/{url_quote(cluster)}/services/{url_quote(service)}?region={event.region}" if cluster else ""
    facts = {"Cluster": cluster, "Deployment": event.text("deploymentId")}
    return Description(f"service {service}", says, facts, page, is_failure(name))


def _batch(event: EventFields) -> Description | None:
    name, status = event.text("jobName"), event.text("status")
    if not (name and status):
        return None
    job = event.text("jobId")
    facts = {"Queue": last_segment(event.text("jobQueue")), "Job": job, "Exit code": event.text("container", "exitCode")}
    page = f"batch/home?region={event.region}#jobs/detail/{url_quote(job)}"
    says = with_reason(readable(status), event.text("statusReason"))
    return Description(f"Batch job {name}", says, facts, page, is_failure(status))


def _glue(event: EventFields) -> Description | None:
    job, crawler, state = event.text("jobName"), event.text("crawlerName"), event.text("state")
    if not ((job or crawler) and state):
        return None
    reason = event.text("errorMessage") or event.text("message")
    if job:
        page = f"gluestudio/home?region={event.region}#/editor/job/{url_quote(job)}/runs"
    else:
        page = f"glue/home?region={event.region}#/v2/data-catalog/crawlers/view/{url_quote(crawler)}"
    subject = f"Glue job {job}" if job else f"Glue crawler {crawler}"
    return Description(subject, with_reason(readable(state), reason), {"Run": event.text("jobRunId")}, page, is_failure(state))


def _workflow(event: EventFields) -> Description | None:
    machine, status = last_segment(event.text("stateMachineArn")), event.text("status")
    if not (machine and status):
        return None
    facts = {"Execution": event.text("name"), "Cause": event.text("cause")}
    page = f"states/home?region={event.region}#/v2/executions/details/{url_quote(event.text('executionArn'))}"
    return Description(f"workflow {machine}", with_reason(readable(status), event.text("error")), facts, page, is_failure(status))


def _pipeline(event: EventFields) -> Description | None:
    name, state = event.text("pipeline"), event.text("state")
    if not (name and state):
        return None
    facts = {"Stage": event.text("stage"), "Action": event.text("action"), "Execution": event.text("execution-id")}
    page = f"codesuite/codepipeline/pipelines/{url_quote(name)}/view?region={event.region}"
    return Description(f"pipeline {name}", readable(state), facts, page, is_failure(state))


def _build(event: EventFields) -> Description | None:
    name, status = event.text("project-name"), event.text("build-status")
    if not (name and status):
        return None
    build = event.text("build-id").rpartition("/")[2]
    facts = {"Build": build.rpartition(":")[2], "Started by": event.text("additional-information", "initiator")}
    project = f"codesuite/codebuild/{url_quote(event.account)}/projects/{url_quote(name)}"
    page = f"{project}/build/{url_quote(build)}?region={event.region}"
    return Description(f"build of {name}", readable(status), facts, page, is_failure(status))


DESCRIBERS: Mapping[str, Callable[[EventFields], Description | None]] = {
    "ECS Task State Change": _task,
    "ECS Deployment State Change": _deployment,
    "Batch Job State Change": _batch,
    "Glue Job State Change": _glue,
    "Glue Crawler State Change": _glue,
    "Step Functions Execution Status Change": _workflow,
    "CodePipeline Pipeline Execution State Change": _pipeline,
    "CodePipeline Stage Execution State Change": _pipeline,
    "CodePipeline Action Execution State Change": _pipeline,
    "CodeBuild Build State Change": _build,
}
