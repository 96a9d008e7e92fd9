"""Read what files for other tools say about the image of a project."""
