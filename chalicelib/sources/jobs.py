"""What containers, jobs, workflows, pipelines and builds say of themselves on the bus.

The fields are those of the page that chalicelib/settings/bus_rules.py names for each ready-made event. A describer
gives None where the event is not as its page says; then it is told as any other event.
"""

from collections.abc import Callable, Mapping

from .service_phrases import About, Description, because, is_bad, last_of, quoted, word


def _task(event: About) -> Description | None:
    task, status = last_of(event.text("taskArn")), event.text("lastStatus")
    if not (task and status):
        return None
    name = event.text("group").partition(":")[2] or event.text("taskDefinitionArn").rpartition("/")[2] or task
    stopped, cluster = status == "STOPPED", last_of(event.text("clusterArn"))
    why, code = _why_stopped(event)
    says = because(status.lower(), why) + (f" (exit {code})" if code else "")
    facts = {"Cluster": cluster, "Task": task, "Stop code": event.text("stopCode"), "Reason": event.text("stoppedReason")}
    page = f"ecs/v2/clusters/{quoted(cluster)}/tasks/{quoted(task)}?region={event.region}"
    bad = stopped and (code not in ("", "0") or event.text("stopCode") == "TaskFailedToStart")
    return Description(f"task {name}", says, facts, page, bad=bad)


def _why_stopped(event: About) -> tuple[str, str]:
    """Why a task stopped and with which exit code: what its first container that failed says, else the task's own reason."""
    containers = event.detail.get("containers")
    for each in containers if isinstance(containers, list) else ():
        code = each.get("exitCode") if isinstance(each, Mapping) else None
        reason = each.get("reason", "") if isinstance(each, Mapping) else ""
        if code or reason:
            short = str(reason).partition(":")[0] or event.text("stoppedReason")
            return short, "" if code is None else str(code)
    return event.text("stoppedReason"), ""


def _deployment(event: About) -> Description | None:
    name = event.text("eventName")
    if not (name and event.resources):
        return None
    service, cluster = last_of(event.resources[0]), event.resources[0].split("/")[-2] if event.resources[0].count("/") > 1 else ""
    says = because(f"deployment {word(name.removeprefix('SERVICE_DEPLOYMENT_'))}", event.text("reason"))
    page = f"ecs/v2/clusters/{quoted(cluster)}/services/{quoted(service)}?region={event.region}" if cluster else ""
    return Description(
        f"service {service}", says, {"Cluster": cluster, "Deployment": event.text("deploymentId")}, page, is_bad(name)
    )


def _batch(event: About) -> Description | None:
    name, status = event.text("jobName"), event.text("status")
    if not (name and status):
        return None
    job = event.text("jobId")
    facts = {"Queue": last_of(event.text("jobQueue")), "Job": job, "Exit code": event.text("container", "exitCode")}
    page = f"batch/home?region={event.region}#jobs/detail/{quoted(job)}"
    return Description(f"Batch job {name}", because(word(status), event.text("statusReason")), facts, page, is_bad(status))


def _glue(event: About) -> Description | None:
    job, crawler, state = event.text("jobName"), event.text("crawlerName"), event.text("state")
    if not ((job or crawler) and state):
        return None
    reason = event.text("errorMessage") or event.text("message")
    if job:
        page = f"gluestudio/home?region={event.region}#/editor/job/{quoted(job)}/runs"
    else:
        page = f"glue/home?region={event.region}#/v2/data-catalog/crawlers/view/{quoted(crawler)}"
    subject = f"Glue job {job}" if job else f"Glue crawler {crawler}"
    return Description(subject, because(word(state), reason), {"Run": event.text("jobRunId")}, page, is_bad(state))


def _workflow(event: About) -> Description | None:
    machine, status = last_of(event.text("stateMachineArn")), event.text("status")
    if not (machine and status):
        return None
    facts = {"Execution": event.text("name"), "Cause": event.text("cause")}
    page = f"states/home?region={event.region}#/v2/executions/details/{quoted(event.text('executionArn'))}"
    return Description(f"workflow {machine}", because(word(status), event.text("error")), facts, page, is_bad(status))


def _pipeline(event: About) -> Description | None:
    name, state = event.text("pipeline"), event.text("state")
    if not (name and state):
        return None
    facts = {"Stage": event.text("stage"), "Action": event.text("action"), "Execution": event.text("execution-id")}
    page = f"codesuite/codepipeline/pipelines/{quoted(name)}/view?region={event.region}"
    return Description(f"pipeline {name}", word(state), facts, page, is_bad(state))


def _build(event: About) -> Description | None:
    name, status = event.text("project-name"), event.text("build-status")
    if not (name and status):
        return None
    build = event.text("build-id").rpartition("/")[2]
    facts = {"Build": build.rpartition(":")[2], "Started by": event.text("additional-information", "initiator")}
    page = f"codesuite/codebuild/{quoted(event.account)}/projects/{quoted(name)}/build/{quoted(build)}?region={event.region}"
    return Description(f"build of {name}", word(status), facts, page, is_bad(status))


DESCRIBERS: Mapping[str, Callable[[About], Description | None]] = {
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
