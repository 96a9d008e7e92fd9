"""Answer the requests of the service carriers."""


def answer(config):
    return {"service": "carriers", "asks": sorted(config["peers"])}
