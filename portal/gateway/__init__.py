"""Machines that ask: introspection, forward-auth, the sandbox model behind them."""
