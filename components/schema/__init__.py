"""The parts of a stack's configuration, as types that check themselves, and together as Settings.

Pure: nothing here declares a resource or needs a cluster. A component takes its own part as an argument.
"""

from components.schema.app import App
from components.schema.aws import Aws, ObjectLock
from components.schema.backup import Backup, CaBundle, PointInTime, Store
from components.schema.balancer import Balancer, BalancerClients, BalancerIngress, BalancerRoute
from components.schema.base import Model, Resources, Storage
from components.schema.servers import Mariadb, Redis
from components.schema.settings import PROJECT, Settings
from components.schema.stack import Agent, Checks, Cluster, Dns, Toolkit
from components.schema.tls import Tls
from components.schema.valkey import SetStorage, Snapshots, Valkey

__all__ = [
    "PROJECT",
    "Agent",
    "App",
    "Aws",
    "Backup",
    "Balancer",
    "BalancerClients",
    "BalancerIngress",
    "BalancerRoute",
    "CaBundle",
    "Checks",
    "Cluster",
    "Dns",
    "Mariadb",
    "Model",
    "ObjectLock",
    "PointInTime",
    "Redis",
    "Resources",
    "SetStorage",
    "Settings",
    "Snapshots",
    "Storage",
    "Store",
    "Tls",
    "Toolkit",
    "Valkey",
]
