result = [lower("ABC ÄÖ"), lower("ab1")]
