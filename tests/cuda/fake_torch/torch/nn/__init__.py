from . import attention  # noqa: F401


class functional:
    pass
