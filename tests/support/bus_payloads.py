"""Bus events as AWS documents them, one per ready-made event; chalicelib/settings/kinds/bus_rules.py names the pages."""

from typing import Any

ACCOUNT = "123456789012"
TASK = f"arn:aws:ecs:us-west-2:{ACCOUNT}:task/FargateCluster/c13b4cb40f1f4fe4a2971f76ae5a47ad"
ALARM = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:ServerCpuTooHigh"
MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}"
DATABASE = f"arn:aws:rds:us-east-1:{ACCOUNT}:db:orders-db"


def event_of(source: str, type_: str, detail: dict[str, Any], *resources: str, **more: Any) -> dict[str, Any]:
    """An event with the fields that every event has."""
    return {
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": type_,
        "source": source,
        "account": ACCOUNT,
        "time": "2026-03-02T12:00:00Z",
        "region": "us-east-1",
        "resources": list(resources),
        "detail": detail,
        **more,
    }


def instance(state: str) -> dict[str, Any]:
    """An instance changed its state."""
    detail = {"instance-id": "i-0abcd1111", "state": state}
    arn = f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/i-0abcd1111"
    return event_of("aws.ec2", "EC2 Instance State-change Notification", detail, arn)


def alarm(state: str = "ALARM", at: str = "2026-03-02T11:59:58.985+0000", **more: Any) -> dict[str, Any]:
    """An alarm changed its state."""
    reason = (
        "Threshold Crossed: 1 out of the last 1 datapoints [99.50160229693434 (02/03/26 11:59:00)] was greater than the "
        "threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    data = '{"version":"1.0","statistic":"Average","period":60,"recentDatapoints":[99.50160229693434],"threshold":50.0}'
    detail = {
        "alarmName": "ServerCpuTooHigh",
        "configuration": {"description": "Goes into alarm when server CPU utilization is too high!", "metrics": []},
        "previousState": {
            "reason": "…",
            "timestamp": "2026-03-02T11:50:00.000+0000",
            "value": "OK" if state != "OK" else "ALARM",
        },
        "state": {"reason": reason, "reasonData": data, "timestamp": at, "value": state},
    }
    return event_of("aws.cloudwatch", "CloudWatch Alarm State Change", detail, ALARM, **more)


def database(message: str, number: str, category: str) -> dict[str, Any]:
    """Something happened to a database."""
    detail = {
        "EventCategories": [category],
        "SourceType": "DB_INSTANCE",
        "SourceArn": DATABASE,
        "Date": "2026-03-02T12:00:00.292Z",
        "Message": message,
        "SourceIdentifier": "orders-db",
        "EventID": number,
    }
    return event_of("aws.rds", "RDS DB Instance Event", detail, DATABASE)


def task(exit_code: int | None, reason: str = "", stop_code: str = "EssentialContainerExited") -> dict[str, Any]:
    """A task of a service stopped."""
    container = {"containerArn": "…", "lastStatus": "STOPPED", "name": "web"} | ({"reason": reason} if reason else {})
    detail = {
        "clusterArn": f"arn:aws:ecs:us-west-2:{ACCOUNT}:cluster/FargateCluster",
        "containers": [{"name": "proxy", "exitCode": 0}, container | ({"exitCode": exit_code} if exit_code is not None else {})],
        "desiredStatus": "STOPPED",
        "group": "service:web",
        "lastStatus": "STOPPED",
        "stopCode": stop_code,
        "stoppedReason": "Essential container in task exited",
        "taskArn": TASK,
        "taskDefinitionArn": f"arn:aws:ecs:us-west-2:{ACCOUNT}:task-definition/web:1",
        "version": 5,
    }
    return event_of("aws.ecs", "ECS Task State Change", detail, TASK, region="us-west-2")


def execution(status: str, error: str = "States.Timeout") -> dict[str, Any]:
    """An execution of a state machine changed its status."""
    detail = {
        "executionArn": f"{MACHINE}:execution:nightly:run-1",
        "stateMachineArn": f"{MACHINE}:stateMachine:nightly",
        "name": "run-1",
        "status": status,
        "startDate": 1551225146847,
        "stopDate": 1551225151881,
        "input": '{"password": "hunter2"}',
        "output": None,
        "error": error,
        "cause": "Lambda was unable to …",
    }
    return event_of("aws.states", "Step Functions Execution Status Change", detail, f"{MACHINE}:execution:nightly:run-1")


EXAMPLES: dict[str, dict[str, Any]] = {
    "alarm": alarm(),
    "instance state": instance("pending"),
    "instance running": instance("running"),
    "instance stopped": instance("stopped"),
    "spot warning": event_of(
        "aws.ec2",
        "EC2 Spot Instance Interruption Warning",
        {"instance-id": "i-1234567890abcdef0", "instance-action": "terminate"},
        "arn:aws:ec2:us-east-2a:instance/i-1234567890abcdef0",
    ),
    "autoscaling failed": event_of(
        "aws.autoscaling",
        "EC2 Instance Launch Unsuccessful",
        {
            "StatusCode": "Failed",
            "AutoScalingGroupName": "my-auto-scaling-group",
            "ActivityId": "87654321-4321-4321-4321-210987654321",
            "Details": {"Availability Zone": "us-west-2b", "Subnet ID": "subnet-12345678"},
            "StatusMessage": "There is no Spot capacity available",
            "EC2InstanceId": "i-1234567890abcdef0",
            "Cause": "An instance was started in response to a difference",
        },
        f"arn:aws:autoscaling:us-west-2:{ACCOUNT}:autoScalingGroup:…:autoScalingGroupName/my-auto-scaling-group",
    ),
    "database event": database("DB instance restarted", "RDS-EVENT-0006", "availability"),
    "database failover": database("A Multi-AZ failover has completed.", "RDS-EVENT-0049", "failover"),
    "database failed": database("The DB instance has exhausted its allocated storage.", "RDS-EVENT-0007", "low storage"),
    "container stopped": task(0),
    "container failed": task(137, "OutOfMemoryError: Container killed due to memory usage"),
    "deployment failed": event_of(
        "aws.ecs",
        "ECS Deployment State Change",
        {
            "eventType": "ERROR",
            "eventName": "SERVICE_DEPLOYMENT_FAILED",
            "deploymentId": "ecs-svc/123",
            "updatedAt": "2026-03-02T11:11:11Z",
            "reason": "ECS deployment circuit breaker: task failed to start.",
        },
        f"arn:aws:ecs:us-west-2:{ACCOUNT}:service/default/servicetest",
    ),
    "batch failed": event_of(
        "aws.batch",
        "Batch Job State Change",
        {
            "jobName": "event-test",
            "jobId": "4c7599ae-0a82-49aa-ba5a-4727fcce14a8",
            "jobQueue": f"arn:aws:batch:us-east-1:{ACCOUNT}:job-queue/nightly",
            "status": "FAILED",
            "statusReason": "Essential container in task exited",
            "container": {"exitCode": 1, "image": "busybox"},
        },
        f"arn:aws:batch:us-east-1:{ACCOUNT}:job/4c7599ae-0a82-49aa-ba5a-4727fcce14a8",
    ),
    "glue failed": event_of(
        "aws.glue",
        "Glue Job State Change",
        {
            "jobName": "load-orders",
            "severity": "ERROR",
            "state": "FAILED",
            "jobRunId": "jr_0123",
            "message": "JobName:load-orders and JobRunId:jr_0123 failed to execute with exception Role not found",
        },
    ),
    "workflow failed": execution("FAILED"),
    "pipeline failed": event_of(
        "aws.codepipeline",
        "CodePipeline Pipeline Execution State Change",
        {"pipeline": "release", "execution-id": "01234567-0123-0123-0123-012345678901", "state": "FAILED", "version": 30},
        f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:release",
    ),
    "build failed": event_of(
        "aws.codebuild",
        "CodeBuild Build State Change",
        {
            "build-status": "FAILED",
            "project-name": "my-sample-project",
            "build-id": f"arn:aws:codebuild:us-east-1:{ACCOUNT}:build/my-sample-project:8745a7a9-c340-456a-9166-edf953571bEX",
            "additional-information": {"initiator": "release/1"},
            "current-phase": "COMPLETED",
        },
        f"arn:aws:codebuild:us-east-1:{ACCOUNT}:build/my-sample-project:8745a7a9-c340-456a-9166-edf953571bEX",
    ),
    "secret rotation failed": event_of(
        "aws.secretsmanager",
        "AWS Service Event via CloudTrail",
        {
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": "RotationFailed",
            "requestParameters": None,
            "additionalEventData": {"SecretId": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:orders-a1b2c3"},
            "errorMessage": "Error when executing lambda during setSecret step",
        },
    ),
    "backup failed": event_of(
        "aws.backup",
        "Backup Job State Change",
        {
            "backupJobId": "34176239-e96d-4e1d-9fad-529dbb3c3556",
            "backupVaultName": "nightly",
            "resourceArn": DATABASE,
            "resourceType": "RDS",
            "state": "FAILED",
            "statusMessage": '"Backup job failed because the backup vault does not exist."',
        },
    ),
    "certificate expires": event_of(
        "aws.acm",
        "ACM Certificate Approaching Expiration",
        {"DaysToExpiry": 31, "CommonName": "example.com"},
        f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/61f50cd4-45b9-4259-b049-d0a53682fa4b",
    ),
    "health": event_of(
        "aws.health",
        "AWS Health Event",
        {
            "eventArn": "arn:aws:health:us-east-1::event/EC2/AWS_EC2_OPERATIONAL_ISSUE/AWS_EC2_OPERATIONAL_ISSUE_7f35c8ae",
            "service": "EC2",
            "eventScopeCode": "PUBLIC",
            "eventTypeCode": "AWS_EC2_OPERATIONAL_ISSUE",
            "eventTypeCategory": "issue",
            "startTime": "Mon, 2 Mar 2026 11:00:00 GMT",
            "eventRegion": "us-east-1",
            "eventDescription": [{"language": "en_US", "latestDescription": "We are investigating increased error rates."}],
            "affectedEntities": [{"entityValue": "i-0abcd1111"}],
        },
    ),
}
ORDER_REFUSED = event_of(
    "acme.orders", "Order refused", {"order": {"id": "A-17", "lines": [{"price": 99}]}, "amount": 120, "express": True}
)
