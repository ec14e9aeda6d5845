"""The Keras side of train_step.py: the same networks and the same step on TensorFlow."""

import os
from collections.abc import Callable
from importlib.metadata import version

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
import train_step_setting as setting
from keras import layers
from train_step_setting import Prepared, batch


def create_network(name: str, dropout: float = setting.DROPOUT) -> keras.Model:
    """FemoNet or the VGG, in the dtype of Keras' policy; logits are float32."""
    images = x = keras.Input((setting.SIZE, setting.SIZE, 1))
    if name == "femonet":
        x = layers.Reshape((setting.SIZE // 2, 2, setting.SIZE // 2, 2))(x)
        x = layers.Permute((1, 3, 2, 4))(x)
        x = layers.Reshape((setting.SIZE // 2, setting.SIZE // 2, 4))(x)
        for stage, width in enumerate(setting.WIDTHS):
            x = layers.MaxPooling2D()(x) if stage else x
            x = layers.ReLU()(_conv_norm(x, width))
            x = layers.ReLU()(layers.Add()([x, _conv_norm(x, width)]))
    else:
        for width in setting.VGG_WIDTHS:
            for _ in range(2):
                x = layers.ReLU()(_conv_norm(x, width))
            x = layers.MaxPooling2D()(x)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, layers.Dense(setting.CLASSES, dtype="float32")(x))


def _conv_norm(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    x = layers.Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=setting.BATCH_NORM_MOMENTUM, epsilon=setting.BATCH_NORM_EPSILON)(x)


def create_step(model: keras.Model, *, jit_compile: bool) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The step: images `[b, 48, 48, 1]` and labels `[b]` -> loss; changes the model."""
    optimizer = keras.optimizers.SGD(setting.LEARNING_RATE, setting.MOMENTUM, nesterov=True)
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function(jit_compile=jit_compile)
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        targets = tf.one_hot(labels, setting.CLASSES) * (1 - setting.SMOOTHING) + setting.SMOOTHING / setting.CLASSES
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        # Keras' own weight decay is decoupled from the gradient (arXiv:1711.05101); this one is what the others do.
        optimizer.apply(
            [
                gradient + setting.WEIGHT_DECAY * variable.value if len(variable.shape) > 1 else gradient
                for gradient, variable in zip(gradients, variables, strict=True)
            ],
            variables,
        )
        return loss

    return step


def prepare(network: str, dtype: str, jit_compile: bool = False) -> Prepared:
    """The step of a network; bfloat16 by Keras' policy `mixed_bfloat16`."""
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if dtype == "bfloat16" else "float32")
    model = create_network(network)
    step = create_step(model, jit_compile=jit_compile)
    images, labels = map(tf.constant, batch())

    def run(steps: int) -> float:
        for _ in range(steps):
            loss = step(images, labels)
        return float(loss)

    return Prepared(
        run,
        parameters=sum(variable.value.shape.num_elements() for variable in model.trainable_variables),
        versions={"tensorflow": tf.__version__, "keras": version("keras")},
    )
