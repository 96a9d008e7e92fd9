"""Archives read forward, once, in bounded memory. What they hold is hostile until each check has passed."""
