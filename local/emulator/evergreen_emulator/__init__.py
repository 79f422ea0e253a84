"""LocalStack without Docker: every Lambda execution environment is a process of this machine.

    server     LocalStack, configured and patched          python -m evergreen_emulator run | start
    executor   LocalStack's view of an environment         (found through its entry point)
    sandbox    one runtime process, from boot to death     bootstrap is its first code
    runtime_api, output, layers, variables, report         what a sandbox consists of

Linux only, as are the layers it runs.
"""
