"""Answer the requests of the service queue."""


def answer(config):
    return {"service": "queue", "asks": sorted(config["peers"])}
