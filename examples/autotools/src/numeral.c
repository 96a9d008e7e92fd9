#include <string.h>

#include "numeral.h"

static const struct {
    int value;
    const char *sign;
} SIGNS[] = {
    {1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
    {40, "XL"},  {10, "X"},   {9, "IX"},  {5, "V"},    {4, "IV"},  {1, "I"},
};

const char *numeral(int number)
{
    static char text[16];

    text[0] = '\0';
    if (number > 3999)
        return text;
    for (unsigned int i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++)
        for (; number >= SIGNS[i].value; number -= SIGNS[i].value)
            strcat(text, SIGNS[i].sign);
    return text;
}
