"""Answer the requests of the service metrics."""


def answer(config):
    return {"service": "metrics", "asks": sorted(config["peers"])}
