# The nodes of ROS 2 Jazzy with an ONNX model, without JAX; see docs/deploy.md.
FROM ros:jazzy-ros-base-noble AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY requirements/lite.txt requirements/
COPY femo_jax femo_jax
COPY ros2_ws ros2_ws
COPY docker/install.sh docker/
RUN /ros_entrypoint.sh docker/install.sh ros /opt/femo

# Without colcon and compilers.
FROM ros:jazzy-ros-core-noble AS ros
COPY --from=build /opt/femo /opt/femo
USER 1000:1000
WORKDIR /home/ubuntu
ENTRYPOINT ["sh", "-c", ". /opt/femo/ros/env.sh && exec \"$@\"", "femo"]
CMD ["ros2", "launch", "femo_ros", "femo.launch.py", "model:=small", "image:=/camera/image_raw"]
