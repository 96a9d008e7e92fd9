#include <config.h>
#include <stdio.h>
#include <stdlib.h>

#include "numeral.h"

int main(int count, char **words)
{
    if (count != 2 || !*numeral(atoi(words[1]))) {
        fprintf(stderr, "%s: say a number from 1 to 3999\n", PACKAGE_STRING);
        return 2;
    }
    puts(numeral(atoi(words[1])));
    return 0;
}
