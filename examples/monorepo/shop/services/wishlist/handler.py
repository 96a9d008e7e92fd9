"""Answer the requests of the service wishlist."""


def answer(config):
    return {"service": "wishlist", "asks": sorted(config["peers"])}
