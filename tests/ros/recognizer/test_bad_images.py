"""Images that cannot be read: the node lives, says so, counts them, and answers the next good one."""

import array


def test_raw_images_of_impossible_form(recognizer, camera, scene):
    good = len(recognizer.faces_of(camera, scene.image))
    assert good == 1
    image = camera.image
    bad = {
        "zero size": camera.message_type(encoding="bgr8"),
        "no rows": image("bgr8", scene.image),
        "too small a step": image("bgr8", scene.image),
        "too few bytes": image("bgr8", scene.image),
        "unknown encoding": image("bgr8", scene.image),
        "no encoding": image("bgr8", scene.image),
    }
    bad["no rows"].height = 0
    bad["too small a step"].step = 100
    bad["too few bytes"].data = array.array("B", bytes(1000))
    bad["unknown encoding"].encoding = "32FC1"
    bad["no encoding"].encoding = ""
    for count, (what, message) in enumerate(bad.items(), 1):
        camera.send(message)
        reported = recognizer.status(lambda each, n=count: each.values["images undecodable"] == str(n), what)
    assert reported.values["last error"].startswith("image of unknown encoding ''")
    assert "Image skipped: " in recognizer.process.log
    assert len(recognizer.faces_of(camera, scene.image)) == 1
    assert len(recognizer.answers) == 2  # none for what could not be read


def test_the_log_is_not_flooded(recognizer, camera, scene):
    message = camera.image("bgr8", scene.image[:48, :64])
    message.encoding = "nonsense"
    for _ in range(60):
        camera.send(message)
        recognizer.client.spin_for(0.01)
    assert len(recognizer.faces_of(camera, scene.image)) == 1
    assert 1 <= recognizer.process.log.count("unknown encoding 'nonsense'") <= 3
    reported = recognizer.status(lambda each: int(each.values["images undecodable"]) > 20, "the count")
    assert reported.values["last error"].startswith("image of unknown encoding 'nonsense'")


def test_damaged_compressed_images(start_recognizer, quick, new_camera, scene):
    recognizer = start_recognizer({**quick, "image_transport": "compressed"})
    camera = new_camera("/image/compressed", compressed=True)
    jpeg = camera.compressed(scene.image)
    png = camera.compressed(scene.image, ".png")
    bad = [b"", b"not an image", bytes(jpeg.data[:2000]), bytes(png.data[:2000]), bytes(jpeg.data[:20]) * 50]
    for count, data in enumerate(bad, 1):
        camera.send(camera.message_type(format="jpeg", data=array.array("B", data)))
        recognizer.status(lambda each, n=count: each.values["images undecodable"] == str(n), f"bad image {count}")
    assert len(recognizer.answer(camera.send(jpeg)).faces) == 1


def test_an_8k_image_is_answered(recognizer, camera, scene):
    import cv2
    import numpy as np

    large = np.full((4320, 7680), 90, np.uint8)
    grey = cv2.cvtColor(scene.image, cv2.COLOR_BGR2GRAY)
    large[:, 960:6720] = cv2.resize(grey, (5760, 4320))
    answer = recognizer.answer(camera.send(camera.image("mono8", large)))
    assert (answer.image_width, answer.image_height) == (7680, 4320)
    assert len(answer.faces) == 1
    assert len(recognizer.faces_of(camera, scene.image)) == 1
