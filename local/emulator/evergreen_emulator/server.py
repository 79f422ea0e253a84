"""The process that is LocalStack."""

from localstack.runtime.main import main

from evergreen_emulator import patches

if __name__ == "__main__":
    patches.install()
    main()
