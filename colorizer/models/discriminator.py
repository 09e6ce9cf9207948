"""The paper's patch discriminator as a functional Keras model.

Source: Nazeri et al., arXiv:1803.05400, section 3.1; its layers from the last release of the
released code (ImagingLab/Colorizing-with-GANs): the same four at every image size, so that each
logit judges a patch of 70 x 70 pixels (Isola et al., CVPR 2017, section 3.2.2).
"""

from __future__ import annotations

import keras
from keras import layers

from colorizer.config import TrainConfig
from colorizer.models.conditioning import condition_input, condition_size, film
from colorizer.models.generator import color_stride
from colorizer.models.layers import LEAKY_SLOPE, LayerFactory

LAYERS = ((1, 2), (2, 2), (4, 2), (8, 1))  # (channels over `base_channels`, stride)


def build_discriminator(
    image_size: int, base_channels: int = 64, *, norm: str = "batch", init: str = "he",
    predict_lightness: bool = False, condition_size: int = 0, synchronized: bool = False,
) -> keras.Model:
    """Builds the patch discriminator.

    Args:
        image_size: side of the images in pixels, a power of two.
        base_channels: channels of the first layer (the paper's: 64).
        norm: `batch`, of all but the first and the last layer; `spectral`, of every convolution.
        init: how kernels are initialized; see `layers.LayerFactory`.
        predict_lightness: whether it judges Lab, as the generator predicts it, or ab.
        condition_size: length of the control vector of a conditional model; 0 for none.
        synchronized: batch statistics over all replicas, not each replica's own.

    Returns:
        A functional model: [`l_scaled` float [batch, h, w, 1], `ab_scaled` float [batch, h, w, 2],
        or `lab_scaled` [batch, h, w, 3]] (and `condition` float [batch, condition_size]) -> logits
        float32 [batch, image_size / 8, image_size / 8, 1], never squashed.

    Example:
        >>> build_discriminator(256).output_shape
        (None, 32, 32, 1)
    """
    name = "lab" if predict_lightness else "ab"
    l_scaled = keras.Input((image_size, image_size, 1), name="l_scaled")
    judged = keras.Input((image_size, image_size, len(name)), name=f"{name}_scaled")
    condition, embedding = condition_input(condition_size)
    factory = LayerFactory(norm, init, synchronized)
    x = layers.Concatenate(name="lab")([l_scaled, judged])
    for index, (factor, stride) in enumerate(LAYERS):
        x = factory.conv(factor * base_channels, strides=stride, name=f"conv_{index}")(x)
        if index > 0:
            x = factory.normalize(x, f"conv_{index}_norm")
            x = film(x, embedding, f"conv_{index}")
        x = layers.LeakyReLU(LEAKY_SLOPE, name=f"conv_{index}_relu")(x)
    logits = factory.conv(1, default="glorot_normal", dtype="float32", name="logits")(x)
    return keras.Model([l_scaled, judged, *condition], logits, name="discriminator")


def discriminator_from_config(config: TrainConfig, *, synchronized: bool = False) -> keras.Model:
    """Builds the discriminator of a run from its resolved settings."""
    model = config.model
    assert config.data.image_size and model.base_channels
    return build_discriminator(
        config.data.image_size // color_stride(config), model.base_channels, norm=model.disc_norm,
        init=model.init, predict_lightness=model.predict_lightness,
        condition_size=condition_size(config.controls.supported()), synchronized=synchronized)
