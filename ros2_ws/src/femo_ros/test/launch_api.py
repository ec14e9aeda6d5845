"""The part of `launch` and `launch_ros` that femo's launch file uses, with the documented signatures of ROS 2 Humble.

It stands in for them where they are not installed, and fails where they fail: a misspelt name or argument, a value that
is not among the choices, and a package that is not installed, which `launch_ros` looks up when it starts a node, while
those before it run already. Classes keep what they were given as attributes.
"""

from types import ModuleType


def _kept(self, arguments):
    self.__dict__.update({name: value for name, value in arguments.items() if name not in ("self", "__class__")})


class LaunchContext:
    def __init__(self, **launch_configurations):
        self.launch_configurations = launch_configurations


class LaunchDescription:
    def __init__(self, initial_entities=None, *, deprecated_reason=None):
        self.entities = list(initial_entities or [])
        self.deprecated_reason = deprecated_reason


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value=None, description=None, choices=None, condition=None):
        if choices is not None and default_value is not None and default_value not in choices:
            raise RuntimeError(f"default {default_value!r} of {name} is not among its choices {choices}")
        _kept(self, locals())

    def execute(self, context):
        value = context.launch_configurations.get(self.name, self.default_value)
        if self.choices and value not in self.choices:
            raise RuntimeError(f"argument {self.name!r} is {value!r}; valid options are {self.choices}")
        context.launch_configurations.setdefault(self.name, value)


class OpaqueFunction:
    def __init__(self, *, function, args=None, kwargs=None, condition=None):
        _kept(self, locals())


class LaunchConfiguration:
    def __init__(self, variable_name, *, default=None):
        _kept(self, locals())

    def perform(self, context):
        if self.default is None:
            return context.launch_configurations[self.variable_name]
        return context.launch_configurations.get(self.variable_name, self.default)


class PathJoinSubstitution:
    def __init__(self, substitutions):
        _kept(self, locals())


class FindPackageShare:
    def __init__(self, package):
        _kept(self, locals())


class ParameterValue:
    def __init__(self, value, *, value_type=None):
        _kept(self, locals())

    def __eq__(self, other):
        return isinstance(other, ParameterValue) and self.__dict__ == other.__dict__

    __hash__ = None


class Node:
    def __init__(
        self,
        *,
        executable,
        package=None,
        name=None,
        namespace=None,
        exec_name=None,
        parameters=None,
        remappings=None,
        ros_arguments=None,
        arguments=None,
        output="log",
        respawn=False,
        respawn_delay=None,
        emulate_tty=False,
        on_exit=None,
        condition=None,
    ):
        _kept(self, locals())

    def execute(self, context):
        context.installed(self.package)
        context.started.append(self)


class PackageNotFoundError(KeyError):
    pass


class Launch(LaunchContext):
    """Launches a description: `started` are the nodes that run, also after an error."""

    def __init__(self, packages, **launch_configurations):
        super().__init__(**launch_configurations)
        self.packages = packages
        self.started = []

    def installed(self, package):
        if package not in self.packages:
            raise PackageNotFoundError(package)
        return f"/opt/ros/{package}"

    def run(self, description):
        *arguments, opaque = description.entities
        for argument in arguments:
            argument.execute(self)
        for entity in opaque.function(self):
            entity.execute(self)


CONTENTS = {
    "ament_index_python": [],
    "ament_index_python.packages": [PackageNotFoundError],
    "launch": [LaunchContext, LaunchDescription],
    "launch.actions": [DeclareLaunchArgument, OpaqueFunction],
    "launch.substitutions": [LaunchConfiguration, PathJoinSubstitution],
    "launch_ros": [],
    "launch_ros.actions": [Node],
    "launch_ros.parameter_descriptions": [ParameterValue],
    "launch_ros.substitutions": [FindPackageShare],
}


def modules(packages=frozenset({"femo_ros", "rqt_image_view"})):
    """The modules by name, to be put into `sys.modules`, where these packages are installed."""
    made = {}
    for name, classes in CONTENTS.items():
        made[name] = ModuleType(name)
        vars(made[name]).update({each.__name__: each for each in classes})
    made["ament_index_python.packages"].get_package_prefix = Launch(packages).installed
    return made
