"""What pytest leaves aside where an extra is not installed: modules that cannot be imported."""

from importlib.util import find_spec

_NEED_TORCH = ("_cnn_augment", "_cnn_network", "_cnn_train")
collect_ignore = (
    [] if find_spec("torch") else [f"src/minewatch/model/{name}.py" for name in _NEED_TORCH]
)
