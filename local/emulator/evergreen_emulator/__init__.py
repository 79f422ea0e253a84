"""LocalStack without Docker: every Lambda execution environment is a process of this machine.

Its command line is `python -m evergreen_emulator` (`__main__`, `control`, `state`). It starts
LocalStack (`server`, `settings`, `patches`), which asks the `executor` for environments. Each has a
`sandbox`: a `process`, whose first code is `bootstrap`, served through its `runtime_api`. What a
function asks of AWS, `permissions` checks: the `needs` of a call by the `policies` of its role.

Not as on AWS: /tmp is this machine's and only TMPDIR is private, the code is not write-protected,
there is no share of a CPU that goes with MemorySize, and memory is looked at four times a second.
Linux only, as are the layers.
"""
