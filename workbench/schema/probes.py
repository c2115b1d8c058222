"""Settings that make the readers read every field once. Not every value is valid: only what is read counts.

Most fields are read whether they are set or not. Needed here: each table, each kind of rule and monitor, and each field that is
read only if it is set, or read differently if it is a table. A test names the fields that no probe reaches.
"""

_HEAD = """
[bot]
name = "a"
[email]
from = "a@example.com"
[sms]
account = "AC"
from = "+15005550006"
countries = ["US"]
[whatsapp]
account = "AC"
from = "+15005550006"
content = { default = "HX0123456789abcdef0123456789abcdef" }
[webhooks.w]
format = "slack"
budget = []
[people.a]
email = "a@example.com"
sms = "+15005550006"
budget = []
[groups]
g = ["a"]
[holidays]
h = ["12-25"]
[analytics]
[metrics]
[console]
[[buckets]]
name = "aaa"
[[buckets]]
[[upload_links]]
[[upload_links]]
bucket = "aaa"
folder = "a/"
"""
_RULES = """
[[rules]]
bucket = "aaa"
complete = {}
any = [{ key = "a", size = "> 1 KB", created = "put", any = [{ key = "a" }], all = [{ key = "a" }], not = { key = "a" } }]
all = [{ key = "a" }]
not = { key = "a" }
metadata = { a = "b" }
tags = { a = "b" }
[[rules]]
bucket = "aaa"
complete = "_SUCCESS"
link = "7d"
[[rules]]
bucket = "aaa"
link = {}
[[rules]]
on = "bus"
event = "alarm"
[[rules]]
on = "bus"
pattern = { source = ["a"] }
[[rules]]
on = "item"
notify = "email:a"
new = { a = "b" }
old = { a = "b" }
"""
_MONITORS = """
[[monitors]]
kind = "freshness"
bucket = "aaa"
newest = { warn = "1h" }
[[monitors]]
kind = "freshness"
bucket = "aaa"
expect = "daily by 06:00"
grace = { warn = "1m" }
holidays = "h"
[[monitors]]
kind = "freshness"
table = "aaa"
item = { a = "b", c = 1 }
newest = "1h"
[[monitors]]
kind = "freshness"
metric = "a/b"
dimensions = { a = "b" }
expect = "daily by 06:00"
grace = "5m"
holidays = ["12-25"]
[[monitors]]
kind = "http"
headers = { a = "b" }
within = { warn = "1s" }
[[monitors]]
kind = "http"
within = "1s"
[[monitors]]
kind = "metric"
of = "instance i-0abc123"
error = "cpu above 80 %"
period = "5m"
[[monitors]]
kind = "metric"
metric = "AWS/EC2 CPUUtilization"
dimensions = { a = "b" }
error = "above 80"
unit = "%"
[[monitors]]
kind = "metric"
math = "a"
metrics = { a = "AWS/Lambda Errors" }
error = "above 80"
[[monitors]]
kind = "instance"
cpu = "above 80 %"
credits = "below 20"
status = "above 0"
hours = "160 per month"
[[monitors]]
kind = "database"
storage = "below 5 GB"
connections = "above 100"
[[monitors]]
kind = "lambda"
errors = "above 5 %"
throttles = "above 0"
duration = "above 5 s"
gb_seconds = "400000 per month"
[[monitors]]
kind = "bill"
service = "AmazonEC2"
"""
PROBES = (_HEAD + _RULES + _MONITORS.replace("kind =", 'on_error = "email:a"\nkind ='),)
