"""The whole cluster in virtual time, with faults that one seed decides; every promise is checked at every step.

* `timeline`: time that passes when nobody has anything to do, and one event loop for each process, which can be frozen;
* `network`: the registry as a process reaches it, with what can happen on the way;
* `systemd`, `host`, `schedulers`, `users`: who lives in this world. Agents, schedulers and the API's writers are the
  real ones; systemd, the disk and the network are in memory;
* `faults` and `load`: what goes wrong, and what users do meanwhile;
* `witness`: what must hold at each step; `uptime`: that what could run does, soon after each fault; `aftermath`: what
  must be true when the faults are over;
* `world`: all of it put together; `run`: many seeds, or one with its trace (`make simulate`).
"""
