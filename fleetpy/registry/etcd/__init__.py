"""The registry in etcd (v3 API over gRPC, etcd 3.4 and newer).

`aetcd` gives the generated messages and stubs; the rest is here, from the connection upward:

* `settings`: where etcd is and who we are; `channel`: one gRPC channel to one member; `members`: which member to use,
  and moving to another one when it fails;
* `failures`: what gRPC's and etcd's errors mean; `auth`: tokens; `requests`: one request, tried again where that is
  safe;
* `ranges`, `transactions`, `renewal`, `watch`: the requests themselves; `registry`: all of them as a `Registry`.
"""

from fleetpy.registry.etcd.registry import EtcdRegistry, connect
from fleetpy.registry.etcd.settings import EtcdSettings

__all__ = ["EtcdRegistry", "EtcdSettings", "connect"]
