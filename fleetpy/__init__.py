"""The shared core of fleetpy: unit files, placement rules, the planner, the registry and the API's client."""

__version__ = "0.1.0"
