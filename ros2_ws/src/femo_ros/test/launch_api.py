"""The part of `launch` and `launch_ros` that femo's launch file uses, with the documented signatures of ROS 2 Humble.

It stands in for them where they are not installed, so that a misspelt name or argument is found all the same. Classes
keep what they were given as attributes.
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


CONTENTS = {
    "launch": [LaunchContext, LaunchDescription],
    "launch.actions": [DeclareLaunchArgument, OpaqueFunction],
    "launch.substitutions": [LaunchConfiguration, PathJoinSubstitution],
    "launch_ros": [],
    "launch_ros.actions": [Node],
    "launch_ros.parameter_descriptions": [ParameterValue],
    "launch_ros.substitutions": [FindPackageShare],
}


def modules():
    """The modules by name, to be put into `sys.modules`."""
    made = {}
    for name, classes in CONTENTS.items():
        made[name] = ModuleType(name)
        vars(made[name]).update({each.__name__: each for each in classes})
    return made
