"""Answer the requests of the service pricing."""


def answer(config):
    return {"service": "pricing", "asks": sorted(config["peers"])}
