"""Parts of verbs about images: pack them, describe them, and look into them."""
