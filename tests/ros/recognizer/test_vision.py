"""Detections and annotations with the generated messages of vision_msgs and foxglove_msgs, and what is latched."""

import re

import pytest


def test_detections_annotations_and_what_classes_mean(interfaces, recognizer, camera, scene):
    from foxglove_msgs.msg import ImageAnnotations, PointsAnnotation
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

    client = recognizer.client
    found = client.collect(Detection2DArray, f"{recognizer.node}/detections")
    drawn = client.collect(ImageAnnotations, f"{recognizer.node}/annotations")
    client.spin_until(
        lambda: (found and drawn) or not recognizer.faces_of(camera, scene.image), "detections and annotations"
    )
    (detection,) = found[-1].detections
    assert detection.results[0].hypothesis.class_id == scene.label
    assert abs(sum(each.hypothesis.score for each in detection.results) - 1) < 1e-3
    x, y, w, h = scene.box
    center = detection.bbox.center.position
    assert abs(center.x - (x + w / 2)) < 20 and abs(center.y - (y + h / 2)) < 20

    (outline,), (label,) = drawn[-1].points, drawn[-1].texts
    assert outline.type == PointsAnnotation.LINE_LOOP
    left, top = outline.points[0].x, outline.points[0].y
    right, bottom = outline.points[2].x, outline.points[2].y
    assert (left, top, right, bottom) == pytest.approx((x, y, x + w, y + h), abs=20)
    assert outline.timestamp.sec > 0 and outline.thickness == 2
    assert re.fullmatch(rf"\d+: {scene.label} \d+%", label.text)
    assert (label.position.x, label.position.y) == (left, top)

    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    infos = client.collect(VisionInfo, f"{recognizer.node}/vision_info", latched)
    labels = client.collect(LabelInfo, f"{recognizer.node}/label_info", latched)
    client.spin_until(lambda: infos and labels, "what is latched, for those who come late")
    assert infos[-1].method == "femonet-base"
    assert infos[-1].database_location == f"{recognizer.node}/label_info"
    names = {each.class_id: each.class_name for each in labels[-1].class_map}
    assert names == dict(enumerate(["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]))
