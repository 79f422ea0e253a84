machine := aarch64
