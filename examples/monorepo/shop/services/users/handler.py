"""Answer the requests of the service users."""


def answer(config):
    return {"service": "users", "asks": sorted(config["peers"])}
