"""Answer the requests of the service notify."""


def answer(config):
    return {"service": "notify", "asks": sorted(config["peers"])}
