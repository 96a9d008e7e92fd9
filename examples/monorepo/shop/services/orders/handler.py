"""Answer the requests of the service orders."""


def answer(config):
    return {"service": "orders", "asks": sorted(config["peers"])}
