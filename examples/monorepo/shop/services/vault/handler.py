"""Answer the requests of the service vault."""


def answer(config):
    return {"service": "vault", "asks": sorted(config["peers"])}
