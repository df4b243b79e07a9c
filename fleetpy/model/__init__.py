"""The values that fleetpy is about: machines, units, placements, states, and how they are kept in the registry."""
