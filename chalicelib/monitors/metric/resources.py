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
    period_s: int = 300  # of a point, where no shorter one is needed: what happens between two looks is all in there
    dimensions: tuple[tuple[str, str], ...] = ()  # besides the resource's own
    label: str = ""  # what it is called before "is 42", where the word alone would not do


class Resource(Struct, frozen=True):
    """A kind of resource: its namespace, the dimension that names one, and its words."""

    namespace: str
    dimension: str
    words: Mapping[str, Word]
    name: str = r"[A-Za-z0-9_.\-]{1,256}"  # what one may be called
    such: str = "orders"  # and an example
    region: str = ""  # where its metrics are, if only there


_DAY, _QUARTER = 86_400, 21_600
_COST = Word("EstimatedCharges", "Maximum", "USD", _QUARTER, (("Currency", "USD"),), label="this month's cost")

RESOURCES: Mapping[str, Resource] = {
    "instance": Resource(
        "AWS/EC2",
        "InstanceId",
        {
            "cpu": Word("CPUUtilization", unit="%"),
            "credits": Word("CPUCreditBalance", label="CPU credit balance"),
            "status": Word("StatusCheckFailed", "Maximum", label="number of failed status checks"),
            "network in": Word("NetworkIn", "Sum", "bytes"),
            "network out": Word("NetworkOut", "Sum", "bytes"),
        },
        r"i-[0-9a-f]{1,17}",
        "i-0abc123",
    ),
    "database": Resource(
        "AWS/RDS",
        "DBInstanceIdentifier",
        {
            "cpu": Word("CPUUtilization", unit="%"),
            "free storage": Word("FreeStorageSpace", "Minimum", "bytes"),
            "free memory": Word("FreeableMemory", "Minimum", "bytes"),
            "connections": Word("DatabaseConnections", "Maximum", label="number of connections"),
            "replica lag": Word("ReplicaLag", "Maximum", "s"),
            "read latency": Word("ReadLatency", unit="s"),
            "write latency": Word("WriteLatency", unit="s"),
            "credits": Word("CPUCreditBalance", label="CPU credit balance"),
        },
    ),
    "function": Resource(
        "AWS/Lambda",
        "FunctionName",
        {
            "errors": Word("Errors", "Sum", label="number of errors"),
            "invocations": Word("Invocations", "Sum", label="number of calls"),
            "throttles": Word("Throttles", "Sum", label="number of throttled calls"),
            "duration": Word("Duration", "p95", "ms", label="p95 of the duration"),
            "concurrency": Word("ConcurrentExecutions", "Maximum"),
        },
    ),
    "bucket": Resource(
        "AWS/S3",
        "BucketName",
        {
            "size": Word("BucketSizeBytes", "Average", "bytes", _DAY, (("StorageType", "StandardStorage"),)),
            "objects": Word(
                "NumberOfObjects", "Average", "", _DAY, (("StorageType", "AllStorageTypes"),), label="number of objects"
            ),
        },
    ),
    "queue": Resource(
        "AWS/SQS",
        "QueueName",
        {
            "messages": Word("ApproximateNumberOfMessagesVisible", "Maximum", label="number of messages"),
            "oldest message": Word("ApproximateAgeOfOldestMessage", "Maximum", "s", label="age of the oldest message"),
        },
    ),
    "table": Resource(
        "AWS/DynamoDB",
        "TableName",
        {
            "read throttles": Word("ReadThrottleEvents", "Sum", label="number of throttled reads"),
            "write throttles": Word("WriteThrottleEvents", "Sum", label="number of throttled writes"),
            "reads": Word("ConsumedReadCapacityUnits", "Sum", label="number of read units"),
            "writes": Word("ConsumedWriteCapacityUnits", "Sum", label="number of write units"),
        },
    ),
    "bill": Resource(
        "AWS/Billing",
        "ServiceName",
        {"cost": _COST, "month-to-date cost": _COST},
        such="AmazonEC2",
        region="us-east-1",
    ),
}
