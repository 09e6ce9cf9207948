"""Images in: the sample, folders, TensorFlow Datasets sets as uint8 batches; image files out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "load": ["load_dataset", "sample_paths"],
    "names": ["DatasetError", "find_folder"],
    "dataset": ["Dataset"],
    "decoding": ["DecodedImage", "ImageError", "read_content", "read_image"],
    "metadata": ["Metadata"],
    "encoding": ["write_image"],
    "images": ["read_rgb", "is_gray", "is_toned", "resize_and_crop", "as_batch", "unit_rgb"],
    "image_paths": ["find_images", "expand_inputs", "name_results", "free_name",
                    "holds_alpha"],
    "grids": ["make_grid", "save_grid"],
})
