"""femo_jax comes from femo_recognition where pip has not installed it, as in the nodes."""

from femo_ros.startup import provide_femo

provide_femo()
