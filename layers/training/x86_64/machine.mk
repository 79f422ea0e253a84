machine := x86_64
