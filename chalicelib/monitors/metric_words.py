"""The metrics of AWS's services by the words people have for them.

Sources: Amazon EC2 user guide, "CloudWatch metrics that are available for your instances"; Amazon RDS user guide, "Amazon
CloudWatch metrics for Amazon RDS"; AWS Lambda developer guide, "Types of metrics for Lambda functions"; Amazon S3 user guide,
"Metrics and dimensions"; Amazon SQS developer guide, "Available CloudWatch metrics"; Amazon DynamoDB developer guide, "DynamoDB
metrics and dimensions"; AWS Billing user guide, "Creating a billing alarm to monitor your estimated AWS charges".
"""

from collections.abc import Mapping

from msgspec import Struct


class Word(Struct, frozen=True):
    """A metric of a kind of resource."""

    metric: str
    statistic: str = "Average"
    unit: str = ""  # one of conditions.UNITS
    period_s: int = 300  # how often it comes, or the shortest that says something
    dimensions: tuple[tuple[str, str], ...] = ()  # besides the resource's own


class Resource(Struct, frozen=True):
    """A kind of resource: its namespace, the dimension that names one, and its words."""

    namespace: str
    dimension: str
    words: Mapping[str, Word]
    region: str = ""  # where its metrics are, if only there


_DAY, _QUARTER = 86_400, 21_600

RESOURCES: Mapping[str, Resource] = {
    "instance": Resource(
        "AWS/EC2",
        "InstanceId",
        {
            "cpu": Word("CPUUtilization", unit="%"),
            "credits": Word("CPUCreditBalance"),
            "status": Word("StatusCheckFailed", "Maximum", period_s=60),
            "network in": Word("NetworkIn", "Sum", "bytes"),
            "network out": Word("NetworkOut", "Sum", "bytes"),
        },
    ),
    "database": Resource(
        "AWS/RDS",
        "DBInstanceIdentifier",
        {
            "cpu": Word("CPUUtilization", unit="%", period_s=60),
            "free storage": Word("FreeStorageSpace", "Minimum", "bytes", 60),
            "free memory": Word("FreeableMemory", "Minimum", "bytes", 60),
            "connections": Word("DatabaseConnections", "Maximum", period_s=60),
            "replica lag": Word("ReplicaLag", "Maximum", "s", 60),
            "read latency": Word("ReadLatency", unit="s", period_s=60),
            "write latency": Word("WriteLatency", unit="s", period_s=60),
            "credits": Word("CPUCreditBalance"),
        },
    ),
    "function": Resource(
        "AWS/Lambda",
        "FunctionName",
        {
            "errors": Word("Errors", "Sum", period_s=60),
            "invocations": Word("Invocations", "Sum", period_s=60),
            "throttles": Word("Throttles", "Sum", period_s=60),
            "duration": Word("Duration", "p95", "ms", 60),
            "concurrency": Word("ConcurrentExecutions", "Maximum", period_s=60),
        },
    ),
    "bucket": Resource(
        "AWS/S3",
        "BucketName",
        {
            "size": Word("BucketSizeBytes", "Average", "bytes", _DAY, (("StorageType", "StandardStorage"),)),
            "objects": Word("NumberOfObjects", "Average", "", _DAY, (("StorageType", "AllStorageTypes"),)),
        },
    ),
    "queue": Resource(
        "AWS/SQS",
        "QueueName",
        {
            "messages": Word("ApproximateNumberOfMessagesVisible", "Maximum"),
            "oldest message": Word("ApproximateAgeOfOldestMessage", "Maximum", "s"),
        },
    ),
    "table": Resource(
        "AWS/DynamoDB",
        "TableName",
        {
            "read throttles": Word("ReadThrottleEvents", "Sum", period_s=60),
            "write throttles": Word("WriteThrottleEvents", "Sum", period_s=60),
            "reads": Word("ConsumedReadCapacityUnits", "Sum", period_s=60),
            "writes": Word("ConsumedWriteCapacityUnits", "Sum", period_s=60),
        },
    ),
    "bill": Resource(
        "AWS/Billing",
        "ServiceName",
        {"cost": Word("EstimatedCharges", "Maximum", "USD", _QUARTER, (("Currency", "USD"),))},
        region="us-east-1",
    ),
}
