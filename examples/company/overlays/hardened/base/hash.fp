# A file that names its own field gets that of the set below.
hash({ hash }) = hash.with(old => { patches = [...old.patches, ./hash.patch] })
