"""The strategies Lucent ships: pure functions of state and events.

They stand on `runtime.deciding` alone and are loaded by name (entry points of the group
`lucent.strategies`) or as `module:Class`; importing this package imports none of them.

- `strategies.zscore:EwmaZScore`: a pool's rate stands out against its own past.
- `strategies.zscore:PriceZScore`: a price does.
- `strategies.forecast:RateForecast`: what a pool will pay some observations ahead.
- `strategies.rotation:Rotation`: in which pool to be, from what the others decide.
"""
