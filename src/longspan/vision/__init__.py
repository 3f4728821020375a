"""Images: files, resizing, warps, boxes, masks, run lengths, drawing."""
