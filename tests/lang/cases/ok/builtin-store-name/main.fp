result = [store-name("my app/1"), store-name("g++"), store-name(".hidden")]
