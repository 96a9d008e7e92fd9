"""Write what is known of an image as one self-contained HTML page."""
