"""R-CNN in stages beside Faster R-CNN."""
