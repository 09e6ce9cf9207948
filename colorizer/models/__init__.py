"""The networks: generator and discriminator of the paper, their inputs, their weights on disk."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "generator": [
        "build_generator", "generator_from_config", "load_generator", "color_stride",
        "size_multiple"],
    "encoder": ["build_efficientnet", "load_efficientnet"],
    "decoder": ["build_photo_generator", "HINT_INPUTS"],
    "discriminator": ["build_discriminator", "discriminator_from_config"],
    "conditioning": ["Targets", "condition_size", "fixed_targets", "encode_targets"],
    "classifier": ["build_classifier", "load_classifier"],
    "weights": [
        "save_weights", "load_weights", "load_matching_weights", "weights_path", "WeightsError"],
    "pretrained": [
        "Model", "ModelError", "find_model", "names", "read_model_config", "read_models"],
})
