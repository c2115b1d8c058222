"""The rows of the ledger's table as DynamoDB items: keys, conversions and versions. May import domain, policy and platform."""

from .deliveries import changed_attributes as changed_attributes
from .deliveries import delivery_from_item as delivery_from_item
from .deliveries import delivery_to_item as delivery_to_item
from .keys import RETENTION as RETENTION
from .keys import SHARDS as SHARDS
from .keys import day_keys as day_keys
from .keys import due_partition as due_partition
from .keys import index_shard as index_shard
from .keys import index_shards as index_shards
from .keys import key_of as key_of
from .keys import shard_of as shard_of
from .keys import ttl_of as ttl_of
from .keys import update_of as update_of
from .others import Parked as Parked
from .others import bundle_from_item as bundle_from_item
from .others import bundle_to_item as bundle_to_item
from .others import parked_from_item as parked_from_item
from .others import parked_to_item as parked_to_item
from .others import receipt_to_item as receipt_to_item
from .versions import Item as Item
