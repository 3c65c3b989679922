"""From videos of any kind to clips: decoding, cutting, cropping, writing."""
