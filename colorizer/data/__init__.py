"""Images in: the sample, folders, TensorFlow Datasets sets as uint8 batches; image files out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "load": ["load_dataset", "sample_paths"],
    "dataset": ["Dataset", "DatasetError"],
    "images": [
        "DecodedImage", "ImageError", "read_image", "read_rgb", "write_image", "is_gray",
        "resize_and_crop", "as_batch", "unit_rgb"],
    "image_paths": ["find_images", "expand_inputs", "output_path"],
    "grids": ["make_grid", "save_grid"],
})
