"""AWS resources and the names of their metrics in the settings.

Sources: Amazon EC2 user guide, "CloudWatch metrics that are available for your instances"; Amazon RDS user guide, "Amazon
CloudWatch metrics for Amazon RDS"; AWS Lambda developer guide, "Types of metrics for Lambda functions"; Amazon S3 user guide,
"Metrics and dimensions"; Amazon SQS developer guide, "Available CloudWatch metrics"; Amazon DynamoDB developer guide, "DynamoDB
metrics and dimensions"; AWS Billing user guide, "Creating a billing alarm to monitor your estimated AWS charges".
"""

from collections.abc import Mapping

from msgspec import Struct


class NamedMetric(Struct, frozen=True):
    """A metric of a kind of resource."""

    metric: str
    statistic: str = "Average"
    unit: str = ""  # one of conditions.UNITS
    period_s: int = 300  # of a value, if no condition needs a shorter one; covers the time between two checks
    dimensions: tuple[tuple[str, str], ...] = ()  # besides the resource's own
    label: str = ""  # in messages before "is 42", if the metric's name does not fit there


class Resource(Struct, frozen=True):
    """A kind of resource: its namespace, the dimension with its name, and its metrics."""

    namespace: str
    dimension: str
    metrics: Mapping[str, NamedMetric]
    name_pattern: str = r"[A-Za-z0-9_.\-]{1,256}"
    example: str = "orders"  # of a name
    region: str = ""  # of its metrics, if there is only one


_DAY, _SIX_HOURS = 86_400, 21_600
_COST = NamedMetric("EstimatedCharges", "Maximum", "USD", _SIX_HOURS, (("Currency", "USD"),), label="this month's cost")

RESOURCES: Mapping[str, Resource] = {
    "instance": Resource(
        "AWS/EC2",
        "InstanceId",
        {
            "cpu": NamedMetric("CPUUtilization", unit="%"),
            "credits": NamedMetric("CPUCreditBalance", label="CPU credit balance"),
            "status": NamedMetric("StatusCheckFailed", "Maximum", label="number of failed status checks"),
            "network in": NamedMetric("NetworkIn", "Sum", "bytes"),
            "network out": NamedMetric("NetworkOut", "Sum", "bytes"),
        },
        r"i-[0-9a-f]{1,17}",
        "i-0abc123",
    ),
    "database": Resource(
        "AWS/RDS",
        "DBInstanceIdentifier",
        {
            "cpu": NamedMetric("CPUUtilization", unit="%"),
            "free storage": NamedMetric("FreeStorageSpace", "Minimum", "bytes"),
            "free memory": NamedMetric("FreeableMemory", "Minimum", "bytes"),
            "connections": NamedMetric("DatabaseConnections", "Maximum", label="number of connections"),
            "replica lag": NamedMetric("ReplicaLag", "Maximum", "s"),
            "read latency": NamedMetric("ReadLatency", unit="s"),
            "write latency": NamedMetric("WriteLatency", unit="s"),
            "credits": NamedMetric("CPUCreditBalance", label="CPU credit balance"),
        },
    ),
    "function": Resource(
        "AWS/Lambda",
        "FunctionName",
        {
            "errors": NamedMetric("Errors", "Sum", label="number of errors"),
            "invocations": NamedMetric("Invocations", "Sum", label="number of invocations"),
            "throttles": NamedMetric("Throttles", "Sum", label="number of throttled invocations"),
            "duration": NamedMetric("Duration", "p95", "ms", label="p95 of the duration"),
            "concurrency": NamedMetric("ConcurrentExecutions", "Maximum"),
        },
    ),
    "bucket": Resource(
        "AWS/S3",
        "BucketName",
        {
            "size": NamedMetric("BucketSizeBytes", "Average", "bytes", _DAY, (("StorageType", "StandardStorage"),)),
            "objects": NamedMetric(
                "NumberOfObjects", "Average", "", _DAY, (("StorageType", "AllStorageTypes"),), label="number of objects"
            ),
        },
    ),
    "queue": Resource(
        "AWS/SQS",
        "QueueName",
        {
            "messages": NamedMetric("ApproximateNumberOfMessagesVisible", "Maximum", label="number of messages"),
            "oldest message": NamedMetric("ApproximateAgeOfOldestMessage", "Maximum", "s", label="age of the oldest message"),
        },
    ),
    "table": Resource(
        "AWS/DynamoDB",
        "TableName",
        {
            "read throttles": NamedMetric("ReadThrottleEvents", "Sum", label="number of throttled reads"),
            "write throttles": NamedMetric("WriteThrottleEvents", "Sum", label="number of throttled writes"),
            "reads": NamedMetric("ConsumedReadCapacityUnits", "Sum", label="number of read units"),
            "writes": NamedMetric("ConsumedWriteCapacityUnits", "Sum", label="number of write units"),
        },
    ),
    "bill": Resource(
        "AWS/Billing",
        "ServiceName",
        {"cost": _COST, "month-to-date cost": _COST},
        example="AmazonEC2",
        region="us-east-1",
    ),
}
