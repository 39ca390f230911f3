"""The agents Lucent ships: strategies put to work, under a name.

Each module holds one `Agent` and is loaded by name (entry points of the group
`lucent.agents`); importing this package imports none of them.

- `agents.scout:YIELD_SCOUT` detects pools whose rate jumps.
- `agents.forecaster:RATE_FORECASTER` forecasts what pools will pay.
- `agents.allocator:ALLOCATOR` decides, stablecoin by stablecoin, in which pool to be; it
  listens to the other two.
"""
